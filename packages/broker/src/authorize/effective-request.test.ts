import { findDriver } from '@valetkey/connectors'
import { describe, expect, it } from 'vitest'
import { createProvider } from '../issue/test-broker.ts'
import { parseTokenRequest } from '../issue/token-request.ts'
import type { Ceiling } from '../store/attachments.ts'
import { noCeiling } from '../store/test-world.ts'
import { effectiveRequest } from './effective-request.ts'

const { driver: scoped } = createProvider(() => 0)
const github = findDriver('github') ?? scoped
const detail = (more: object) => ({ type: 'github_app_installation', ...more })

function effective(
  request: object,
  ceiling: Partial<Ceiling> = {},
  driver = scoped,
  environment = 'production',
) {
  const parsed = parseTokenRequest({ subject: { type: 'app' }, ...request })
  return parsed.ok
    ? effectiveRequest(parsed.value, { ...noCeiling, ...ceiling }, driver, environment)
    : parsed
}

describe('S16 the ceiling', () => {
  it.each([
    [{ scopes: ['a', 'c'] }, { scopes: ['a', 'b'] }, 'scopes c'],
    [{ subject: { type: 'user', id: 'u' } }, { subjects: ['app'] }, 'subject user'],
  ] as const)('refuses %o above %o and names %s', (request, ceiling, part) => {
    expect(effective(request, ceiling)).toEqual({ ok: false, refusal: { reason: 'above_ceiling', part } })
  })

  it.each([
    [{ authorizationDetails: [detail({ repositories: ['acme/a'] })] }, {}, 'authorizationDetails'],
    [{}, { authorizationDetails: [detail({ repositories: ['acme/a'] })] }, 'authorizationDetails'],
    [{ installationId: '7' }, {}, 'installationId'],
  ])(
    'refuses a user what the provider can not narrow, before consent: %o above %o',
    (request, ceiling, part) => {
      const user = { subject: { type: 'user', id: 'u' } }
      const outcome = effective({ ...user, ...request }, ceiling, github)
      expect(outcome).toMatchObject({ ok: false, refusal: { reason: 'above_ceiling' } })
      expect(JSON.stringify(outcome)).toContain(part)
      expect(effective(user, {}, github).ok).toBe(true)
    },
  )

  it('stands in for what a request leaves out, `*` included', () => {
    for (const request of [{}, { scopes: ['*'] }]) {
      expect(effective(request, { scopes: ['b', 'a'] })).toMatchObject({
        ok: true,
        value: { scopes: ['b', 'a'] },
      })
    }
    expect(effective({})).toMatchObject({ ok: true, value: { scopes: [] } })
  })

  it.each([{ scopes: [] }, { resources: [] }, { audience: [] }, { authorizationDetails: [] }])(
    'takes no empty list for everything: %o',
    (request) => {
      expect(effective(request)).toMatchObject({ ok: false, refusal: { reason: 'request_invalid' } })
    },
  )

  it.each([{ resources: ['https://r'] }, { audience: ['a'] }, { authorizationDetails: [{ type: 'x' }] }])(
    'refuses what the driver would ignore: %o',
    (request) => {
      expect(effective(request)).toMatchObject({ ok: false, refusal: { reason: 'request_invalid' } })
    },
  )

  it('covers a detail with one entry, never with the halves of two', () => {
    const authorizationDetails = [
      detail({ repositories: ['acme/a'], permissions: ['contents:write'] }),
      detail({ repositories: ['acme/b'], permissions: ['contents:read'] }),
    ].map((entry) => github.normalizeDetail(entry))
    const ask = (repositories: string, permissions: string) =>
      effective(
        { authorizationDetails: [detail({ repositories, permissions })] },
        { authorizationDetails },
        github,
      ).ok
    expect(ask('acme/a', 'contents:write')).toBe(true)
    expect(ask('acme/b', 'contents:read')).toBe(true)
    expect(ask('acme/b', 'contents:write')).toBe(false)
  })

  it('needs --full-access for GitHub in production when nothing narrows', () => {
    const full = { reason: 'full_access_not_allowed' }
    expect(effective({}, {}, github)).toMatchObject({ refusal: full })
    expect(effective({ authorizationDetails: [detail({ org: 'acme' })] }, {}, github)).toMatchObject({
      refusal: full,
    })
    expect(effective({}, { fullAccess: true }, github).ok).toBe(true)
    expect(effective({}, {}, github, 'development').ok).toBe(true)
    expect(effective({ authorizationDetails: [detail({ repositories: 'acme/a' })] }, {}, github).ok).toBe(
      true,
    )
  })
})

describe('S15 a request', () => {
  it.each([
    { subject: undefined },
    { subject: { type: 'nobody' } },
    { subject: { type: 'user' } },
    { subject: { type: 'app', id: 'x' } },
  ])('without a proper subject is refused: %o', (request) => {
    expect(effective(request)).toMatchObject({ ok: false, refusal: { reason: 'request_invalid' } })
  })
})
