import type { AuthorizationDetail } from '@valetkey/protocol'
import { describe, expect, test } from 'vitest'
import { InvalidSettings } from '../driver.ts'
import { holdInstallationDetail, normalizeInstallationDetail, permissionsBeyond } from './github-detail.ts'

const type = 'github_app_installation'

function normal(fields: Record<string, unknown>) {
  return normalizeInstallationDetail({ type, ...fields })
}

function hold(wanted: Record<string, unknown>, ceiling: Record<string, unknown>) {
  return holdInstallationDetail({ type, ...wanted }, { type, ...ceiling })
}

describe('canonical form', () => {
  test.each([
    [{}, {}],
    [{ org: 'Acme' }, { org: 'acme' }],
    [{ repositories: 'Acme/Site' }, { org: 'acme', repositories: ['acme/site'] }],
    [
      { org: 'ACME', repositories: 'Site' },
      { org: 'acme', repositories: ['acme/site'] },
    ],
    [
      { org: 'acme', repositories: ['z', 'acme/a', 'A', 'ACME/Z'] },
      { org: 'acme', repositories: ['acme/a', 'acme/z'] },
    ],
    [{ permissions: 'contents:read' }, { permissions: ['contents:read'] }],
    [
      { permissions: ['issues:read', 'contents:write', 'contents:read', 'issues:admin', 'issues:write'] },
      { permissions: ['contents:write', 'issues:admin'] },
    ],
    [{ repositories: 'acme/.github' }, { org: 'acme', repositories: ['acme/.github'] }],
    [{ repositories: 'acme/a.' }, { org: 'acme', repositories: ['acme/a.'] }],
    [{ repositories: 'acme_corp/a_b-c.d' }, { org: 'acme_corp', repositories: ['acme_corp/a_b-c.d'] }],
    [{ permissions: 'constructor:read' }, { permissions: ['constructor:read'] }],
  ])('of %j', (fields, expected) => {
    expect(normal(fields)).toEqual({ type, ...expected })
  })

  test.each([
    [{ org: '' }, 'org'],
    [{ org: 'acme/site' }, 'org'],
    [{ org: '..' }, 'org'],
    [{ org: 'acme\n' }, 'org'],
    [{ org: 'a*' }, 'org'],
    [{ org: '\u212Aelvin' }, 'org'],
    [{ org: ['acme'] }, 'org'],
    [{ org: null }, 'org'],
    [{ repositories: [] }, 'repositories'],
    [{ repositories: '' }, 'repositories'],
    [{ repositories: null }, 'repositories'],
    [{ repositories: [7] }, 'repositories'],
    [{ repositories: 'site' }, 'repositories'],
    [{ repositories: 'acme/' }, 'repositories'],
    [{ repositories: '/site' }, 'repositories'],
    [{ repositories: 'acme/a/b' }, 'repositories'],
    [{ repositories: 'acme/.' }, 'repositories'],
    [{ repositories: 'acme/..' }, 'repositories'],
    [{ repositories: 'acme/...' }, 'repositories'],
    [{ repositories: '../site' }, 'repositories'],
    [{ org: 'acme', repositories: '..' }, 'repositories'],
    [{ repositories: 'acme/site.git' }, 'repositories'],
    [{ repositories: 'acme/site.GIT' }, 'repositories'],
    [{ repositories: 'acme/*' }, 'repositories'],
    [{ repositories: 'acme/a%2fb' }, 'repositories'],
    [{ repositories: 'acme/a?b' }, 'repositories'],
    [{ repositories: 'acme/a#b' }, 'repositories'],
    [{ repositories: 'acme/a\\b' }, 'repositories'],
    [{ repositories: 'acme/a\n' }, 'repositories'],
    [{ repositories: 'acme/a\u0000' }, 'repositories'],
    [{ repositories: ' acme/a' }, 'repositories'],
    [{ repositories: 'acme/\u212A' }, 'repositories'],
    [{ repositories: 'асme/site' }, 'repositories'],
    [{ repositories: 'acme/a,acme/b' }, 'repositories'],
    [{ repositories: ['acme/a', 'other/b'] }, 'repositories'],
    [{ org: 'acme', repositories: 'acme-x/a' }, 'repositories'],
    [{ repositories: Array.from({ length: 501 }, (_, index) => `acme/r${index}`) }, 'repositories'],
    [{ permissions: [] }, 'permissions'],
    [{ permissions: '' }, 'permissions'],
    [{ permissions: 'contents' }, 'permissions'],
    [{ permissions: 'contents:' }, 'permissions'],
    [{ permissions: 'contents:none' }, 'permissions'],
    [{ permissions: 'contents:Read' }, 'permissions'],
    [{ permissions: 'Contents:read' }, 'permissions'],
    [{ permissions: 'contents:read:write' }, 'permissions'],
    [{ permissions: 'pull-requests:read' }, 'permissions'],
    [{ permissions: '*:read' }, 'permissions'],
    [{ permissions: '__proto__:read' }, 'permissions'],
    [{ permissions: 'contents:constructor' }, 'permissions'],
    [{ permissions: { contents: 'read' } }, 'permissions'],
    [{ repository: 'acme/site' }, 'Unknown field repository'],
    [JSON.parse('{"__proto__":{"org":"acme"}}'), ''],
  ])('refuses %j, naming the field', (fields, message) => {
    const detail = { ...fields, type } as AuthorizationDetail
    expect(() => normalizeInstallationDetail(detail)).toThrow(InvalidSettings)
    expect(() => normalizeInstallationDetail(detail)).toThrow(message)
  })

  test('refuses a detail of another type', () => {
    expect(() => normalizeInstallationDetail({ type: 'other' })).toThrow('type must be')
  })

  test('is reached in one step: doing it again changes nothing, and order and spelling do not matter', () => {
    const random = seeded(7)
    for (let round = 0; round < 500; round += 1) {
      const fields = anyDetail(random)
      const once = normalizeInstallationDetail(fields)
      expect(JSON.stringify(normalizeInstallationDetail(once))).toBe(JSON.stringify(once))
      expect(JSON.stringify(normalizeInstallationDetail(respelled(fields, random)))).toBe(
        JSON.stringify(once),
      )
      expect(holdInstallationDetail(fields, once)).toEqual({ within: true, detail: once })
    }
  })
})

describe('holding a detail against a ceiling', () => {
  test.each([
    ['nothing against nothing', {}, {}, {}],
    ['nothing against an org', {}, { org: 'acme' }, { org: 'acme' }],
    ['any owner where the ceiling names none', { org: 'anyone' }, {}, { org: 'anyone' }],
    ['another spelling of the org', { org: 'ACME' }, { org: 'acme' }, { org: 'acme' }],
    [
      'a repository of the org',
      { repositories: 'Acme/Site' },
      { org: 'acme' },
      { org: 'acme', repositories: ['acme/site'] },
    ],
    [
      'nothing against repositories',
      { permissions: 'contents:read' },
      { repositories: ['acme/a', 'acme/b'] },
      { org: 'acme', repositories: ['acme/a', 'acme/b'], permissions: ['contents:read'] },
    ],
    [
      'some of the repositories',
      { repositories: 'acme/b' },
      { repositories: ['acme/a', 'acme/b'] },
      { org: 'acme', repositories: ['acme/b'] },
    ],
    [
      'nothing against permissions',
      { org: 'acme' },
      { permissions: 'issues:write' },
      { org: 'acme', permissions: ['issues:write'] },
    ],
    [
      'a lower level',
      { permissions: ['issues:read', 'contents:write'] },
      { permissions: ['issues:write', 'contents:admin', 'checks:read'] },
      { permissions: ['contents:write', 'issues:read'] },
    ],
  ])('%s is within', (_title, wanted, ceiling, detail) => {
    expect(hold(wanted, ceiling)).toEqual({ within: true, detail: { type, ...detail } })
  })

  test.each([
    [{ org: 'acme-x' }, { org: 'acme' }, 'org acme-x'],
    [{ org: 'acm' }, { org: 'acme' }, 'org acm'],
    [{ org: 'acme' }, { org: 'acme-x' }, 'org acme'],
    [{ org: 'other' }, { repositories: 'acme/a' }, 'org other'],
    [{ repositories: 'acme-x/site' }, { org: 'acme' }, 'repositories acme-x/site'],
    [{ repositories: 'acme-x/site' }, { repositories: 'acme/site' }, 'repositories acme-x/site'],
    [{ repositories: 'acme/site-x' }, { repositories: 'acme/site' }, 'repositories acme/site-x'],
    [{ repositories: 'acme/sit' }, { repositories: 'acme/site' }, 'repositories acme/sit'],
    [{ repositories: 'acme/site.' }, { repositories: 'acme/site' }, 'repositories acme/site.'],
    [{ repositories: 'acme/siteX' }, { repositories: 'acme/site.' }, 'repositories acme/sitex'],
    [{ repositories: 'acme/aXb' }, { repositories: 'acme/a.b' }, 'repositories acme/axb'],
    [
      { repositories: ['acme/a', 'acme/b', 'acme/c'] },
      { repositories: ['acme/b'] },
      'repositories acme/a, acme/c',
    ],
    [{ permissions: 'contents:write' }, { permissions: 'contents:read' }, 'permissions contents:write'],
    [{ permissions: 'contents:admin' }, { permissions: 'contents:write' }, 'permissions contents:admin'],
    [{ permissions: 'issues:read' }, { permissions: 'contents:admin' }, 'permissions issues:read'],
    [{ permissions: 'content:read' }, { permissions: 'contents:read' }, 'permissions content:read'],
    [{ permissions: 'contents_x:read' }, { permissions: 'contents:read' }, 'permissions contents_x:read'],
    [{ permissions: 'constructor:read' }, { permissions: 'contents:admin' }, 'permissions constructor:read'],
    [{ permissions: 'metadata:read' }, { permissions: 'contents:read' }, 'permissions metadata:read'],
    [
      { repositories: 'acme/b', permissions: 'contents:write' },
      { repositories: 'acme/a', permissions: 'contents:read' },
      'repositories acme/b and permissions contents:write',
    ],
  ])('%j exceeds %j', (wanted, ceiling, part) => {
    expect(hold(wanted, ceiling)).toEqual({ within: false, part })
  })

  test.each([
    [{ repositories: [] }, { repositories: 'acme/a' }],
    [{ repositories: 'acme/*' }, { repositories: 'acme/a' }],
    [{ repositories: 'acme/../other/a' }, { org: 'acme' }],
    [{ repositories: 'acme/a' }, { repositories: 'acme/*' }],
    [{ repositories: 'acme/a' }, { org: '*' }],
    [{ permissions: [] }, { permissions: 'contents:read' }],
  ])('holds nothing malformed: %j against %j', (wanted, ceiling) => {
    expect(() => hold(wanted, ceiling)).toThrow(InvalidSettings)
  })

  test('names no more than five parts', () => {
    const repositories = Array.from({ length: 9 }, (_, index) => `acme/r${index}`)
    expect(hold({ repositories }, { repositories: 'acme/a' })).toEqual({
      within: false,
      part: 'repositories acme/r0, acme/r1, acme/r2, acme/r3, acme/r4 and 4 more',
    })
  })

  test('never answers with more than the ceiling, whatever is wanted', () => {
    const random = seeded(11)
    let within = 0
    for (let round = 0; round < 2_000; round += 1) {
      const ceiling = normalizeInstallationDetail(anyDetail(random))
      const held = holdInstallationDetail(anyDetail(random), ceiling)
      if (!held.within) continue
      within += 1
      const detail = normalizeInstallationDetail(held.detail)
      if (ceiling.org !== undefined) expect(detail.org).toBe(ceiling.org)
      if (ceiling.repositories !== undefined)
        expect(ceiling.repositories).toEqual(expect.arrayContaining([...(detail.repositories ?? ['all'])]))
      if (ceiling.permissions !== undefined)
        expect(permissionsBeyond(detail.permissions ?? ['all:admin'], ceiling.permissions)).toEqual([])
    }
    expect(within).toBeGreaterThan(100)
  })
})

test('a level that nobody has heard of is beyond every limit', () => {
  expect(permissionsBeyond(['contents:own', 'contents:'], ['contents:admin', 'contents_x:own'])).toEqual([
    'contents:own',
    'contents:',
  ])
})

/** Numbers in [0, 1) that are the same at every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

function anyDetail(random: () => number): AuthorizationDetail {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? ''
  const some = (make: () => string) => Array.from({ length: 1 + Math.floor(random() * 3) }, make)
  const owner = pick(['acme', 'Acme', 'acme-x'])
  return {
    type,
    ...(random() < 0.6 ? { org: owner } : {}),
    ...(random() < 0.6
      ? { repositories: some(() => `${owner}/${pick(['a', 'B', 'a.b', 'a-b', 'b'])}`) }
      : {}),
    ...(random() < 0.6
      ? { permissions: some(() => `${pick(['contents', 'issues'])}:${pick(['read', 'write', 'admin'])}`) }
      : {}),
  }
}

/** The same detail, written otherwise. */
function respelled(detail: AuthorizationDetail, random: () => number): AuthorizationDetail {
  const shuffled = (value: unknown) =>
    Array.isArray(value) ? [...value, value[0]].sort(() => random() - 0.5) : value
  const { repositories, permissions, org } = detail
  return {
    ...(permissions === undefined ? {} : { permissions: shuffled(permissions) }),
    ...(repositories === undefined
      ? {}
      : { repositories: (shuffled(repositories) as string[]).map((name) => name.toUpperCase()) }),
    ...(org === undefined ? {} : { org: String(org).toUpperCase() }),
    type,
  }
}
