import { expect, it } from 'vitest'
import { wordsFor } from './trust-input.ts'

const rule = {
  environment: 'production',
  issuer: 'https://issuer.example',
  audience: 'https://broker.example',
  claims: { sub: ['workload:one', 'workload:two'] },
  refuse: { kind: ['guest'] },
  maxAgeSeconds: 3_600,
}

it('says in words whose identities a rule admits, and how long their tokens may live', () => {
  expect(wordsFor(rule)).toEqual([
    'Identities of https://issuer.example whose sub is "workload:one" or "workload:two".',
    'Not: those whose kind is "guest".',
    'Their tokens are for the audience https://broker.example and live at most 3600 seconds.',
  ])
})

it.each(['https://login.microsoftonline.com/1b9d6bcd/v2.0', 'https://oidc.modal.com'])(
  'says of %s how long ago a token may have been issued: it lives longer than that',
  (issuer) => {
    expect(wordsFor({ ...rule, issuer }).at(-1)).toBe(
      'Their tokens are for the audience https://broker.example and were issued at most 3600 seconds ago.',
    )
  },
)
