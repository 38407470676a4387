import { expect, it } from 'vitest'
import type { SeenDetails } from './identities-seen.ts'
import type { TrustRule } from './trust-rule.ts'
import { tryRules } from './try-rules.ts'

const rule = (change: Partial<TrustRule> = {}): TrustRule => ({
  id: 'trr_1',
  projectId: 'prj_1',
  projectName: 'shop',
  environment: 'production',
  issuer: 'https://issuer.example',
  audience: 'https://broker.example',
  claims: { sub: ['a'] },
  refuse: {},
  maxAgeSeconds: 600,
  ...change,
})
const seen = (change: Partial<SeenDetails> = {}): SeenDetails => ({
  issuer: 'https://issuer.example',
  subject: 'a',
  audience: 'https://broker.example',
  claims: { ref: 'main' },
  lifeSeconds: 300,
  outcome: 'claims_unmatched',
  ...change,
})
const shop = { project: { id: 'prj_1', name: 'shop' }, environment: 'production' }
const preview = { project: { id: 'prj_1', name: 'shop' }, environment: 'preview' }
const nothing = { gains: [], loses: [], changes: [] }

it('says who gains, by the rules and not by what was decided then', () => {
  const identity = seen({ outcome: 'admitted' })
  expect(tryRules([identity], [], [rule()])).toEqual({ ...nothing, gains: [{ identity, after: shop }] })
})

it('says who loses, and why', () => {
  const identity = seen()
  expect(tryRules([identity], [rule()], [])).toEqual({
    ...nothing,
    loses: [{ identity, before: shop, reason: 'claims_unmatched' }],
  })
  const elsewhere = rule({ id: 'trr_2', environment: 'preview' })
  expect(tryRules([identity], [rule()], [rule(), elsewhere]).loses).toEqual([
    { identity, before: shop, reason: 'identity_ambiguous' },
  ])
})

it('says who gains because an ambiguity ends', () => {
  const rules = [rule(), rule({ id: 'trr_2', environment: 'preview' })]
  expect(tryRules([seen()], rules, rules.slice(1)).gains).toMatchObject([{ after: preview }])
})

it('says whose place changes', () => {
  const identity = seen()
  const after = [rule({ environment: 'preview' })]
  expect(tryRules([identity], [rule()], after)).toEqual({
    ...nothing,
    changes: [{ identity, before: shop, after: preview }],
  })
})

it('says nothing of those that keep what they have', () => {
  expect(tryRules([seen(), seen({ subject: 'b' })], [rule()], [rule(), rule({ id: 'trr_2' })])).toEqual(
    nothing,
  )
})

it.each([
  ['another issuer', rule({ issuer: 'https://issuer.example/' })],
  ['another audience', rule({ audience: 'https://other.example' })],
  ['a shorter life', rule({ maxAgeSeconds: 299 })],
  ['another claim', rule({ claims: { sub: ['a'], ref: ['dev'] } })],
  ['a claim that was not kept', rule({ claims: { sub: ['a'], team: ['x'] } })],
  ['a refused claim', rule({ refuse: { ref: ['main'] } })],
])('holds identities to %s', (_what, added) => {
  expect(tryRules([seen()], [], [added])).toEqual(nothing)
})

it('finds nested claims', () => {
  const claims = { '/kubernetes.io/serviceaccount/uid': 'u1' }
  const added = rule({ claims: { sub: ['a'], '/kubernetes.io/serviceaccount/uid': ['u1'] } })
  expect(tryRules([seen({ claims })], [], [added]).gains).toHaveLength(1)
})
