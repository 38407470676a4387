import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
let identity: string
const tokens: Record<string, string> = {}
const ids: Record<string, string> = {}

const holders = ['nobody', 'identity', 'workload', 'auditor', 'manager', 'owner'] as const
type Holder = (typeof holders)[number]

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver] })
  identity = await (await createProject(broker, issuer, 'one')).identity()
  await createProject(broker, issuer, 'two')
  ids.connector = await createVault(broker, 'mine')
  ids.theirs = await createVault(broker, 'theirs')
  ids.removed = await createVault(broker, 'removed')
  await attach(broker, 'vault/mine', 'one')
  await attach(broker, 'vault/theirs', 'two')
  await broker.manage('DELETE', '/v1/connect/connectors/vault%2Fremoved')
  const make = (body: object) => broker.manage('POST', '/v1/access-tokens', body)
  const workload = await make({ project: 'one', environment: 'production' })
  tokens.workload = String(workload.token)
  ids.workload = String(workload.id)
  for (const role of ['auditor', 'manager']) tokens[role] = String((await make({ role })).token)
  tokens.owner = broker.owner
  tokens.identity = identity
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

function callAs(holder: Holder, method: string, path: string, body?: unknown): Promise<Answer> {
  const token = tokens[holder]
  return broker.call(method, path, { ...(token === undefined ? {} : { token }), body })
}

/** Every management route with something that exists, something that doesn't, and the least role for it. */
const routes: readonly (readonly [
  string,
  string,
  string | undefined,
  'auditor' | 'manager' | 'owner',
  unknown?,
])[] = [
  ['GET', '/v1/projects', undefined, 'auditor'],
  ['GET', '/v1/projects/two', '/v1/projects/none', 'auditor'],
  ['GET', '/v1/projects/two/trust', '/v1/projects/none/trust', 'auditor'],
  ['POST', '/v1/projects/two/explain', '/v1/projects/none/explain', 'auditor', { claims: { sub: 'x' } }],
  ['GET', '/v1/connect/services', undefined, 'auditor'],
  ['GET', '/v1/connect/services/vault', '/v1/connect/services/none', 'auditor'],
  ['GET', '/v1/connect/connectors', undefined, 'auditor'],
  [
    'GET',
    '/v1/connect/connectors/vault%2Ftheirs/projects',
    '/v1/connect/connectors/none/projects',
    'auditor',
  ],
  [
    'GET',
    '/v1/connect/connectors/vault%2Ftheirs/projects/two',
    '/v1/connect/connectors/vault%2Ftheirs/projects/none',
    'auditor',
  ],
  ['GET', '/v1/audit/events', undefined, 'auditor'],
  ['POST', '/v1/audit/verify', undefined, 'auditor', {}],
  ['POST', '/v1/audit/checkpoint', undefined, 'auditor', {}],
  ['GET', '/v1/audit/export', undefined, 'auditor'],
  // What changes something is asked for in a way that even an owner can't succeed with, so that the table
  // can be walked by everyone: the role is looked at first.
  ['POST', '/v1/projects', undefined, 'manager', { name: '' }],
  ['DELETE', '/v1/projects/none', '/v1/projects/none-either', 'manager'],
  ['POST', '/v1/projects/two/trust', '/v1/projects/none/trust', 'manager', { environment: 'x' }],
  ['DELETE', '/v1/projects/two/trust/none', '/v1/projects/none/trust/none', 'manager'],
  [
    'POST',
    '/v1/projects/two/development-identities',
    '/v1/projects/none/development-identities',
    'manager',
    {},
  ],
  ['POST', '/v1/connect/connectors', undefined, 'manager', { service: 'none' }],
  ['PATCH', '/v1/connect/connectors/vault%2Ftheirs', '/v1/connect/connectors/none', 'manager', { x: 1 }],
  ['DELETE', '/v1/connect/connectors/none', '/v1/connect/connectors/none-either', 'manager'],
  [
    'POST',
    '/v1/connect/connectors/vault%2Ftheirs/projects/two',
    '/v1/connect/connectors/none/projects/two',
    'manager',
    { environments: [] },
  ],
  [
    'DELETE',
    '/v1/connect/connectors/vault%2Ftheirs/projects/one',
    '/v1/connect/connectors/none/projects/one',
    'manager',
  ],
  ['POST', '/v1/access-tokens', undefined, 'manager', { role: 'god' }],
  ['GET', '/v1/access-tokens', undefined, 'owner'],
  ['DELETE', '/v1/access-tokens/vat_none', '/v1/access-tokens/vat_neither', 'owner'],
]

describe('S28 roles', () => {
  const rows = routes.map(([method, path, missing, least, body]) => ({ method, path, missing, least, body }))
  it.each(rows)(
    'S28 $method $path is for $least and above',
    async ({ method, path, missing, least, body }) => {
      const allowed = holders.slice(holders.indexOf(least))
      for (const holder of holders) {
        const answer = await callAs(holder, method, path, body)
        const missed = missing === undefined ? answer : await callAs(holder, method, missing, body)
        if (holder === 'nobody') {
          expect([answer.status, missed.status]).toEqual([401, 401])
          expect(answer.message).toBe(missed.message)
        } else if (allowed.includes(holder)) {
          expect([401, 403]).not.toContain(answer.status)
          expect([401, 403]).not.toContain(missed.status)
        } else {
          expect(answer).toMatchObject({ status: 403, code: 'forbidden' })
          // Whether the thing exists shows in nothing but the id of the request.
          expect(withoutRequestId(missed)).toBe(withoutRequestId(answer))
        }
      }
    },
  )

  it('S28 nobody makes a token of a higher role than their own', async () => {
    for (const role of ['owner', 'manager', 'auditor']) {
      const answer = await callAs('manager', 'POST', '/v1/access-tokens', { role })
      expect(answer).toMatchObject({ status: 403, code: 'forbidden' })
    }
    const both = { role: 'owner', project: 'one', environment: 'production' }
    expect((await callAs('manager', 'POST', '/v1/access-tokens', both)).status).toBe(400)
    const workload = { project: 'one', environment: 'production' }
    expect((await callAs('manager', 'POST', '/v1/access-tokens', workload)).status).toBe(201)
  })

  it('S28 an unknown, a removed and an expired access token are refused alike', async () => {
    const made = await broker.manage('POST', '/v1/access-tokens', { role: 'owner', expiresInSeconds: 60 })
    const other = await broker.manage('POST', '/v1/access-tokens', { role: 'owner' })
    await broker.manage('DELETE', `/v1/access-tokens/${other.id}`)
    const list = (token: unknown) => broker.call('GET', '/v1/access-tokens', { token: String(token) })
    expect((await list(made.token)).status).toBe(200)
    clock.advance(60_001)
    const good = broker.owner
    const last = good.endsWith('A') ? 'B' : 'A'
    const answers = await Promise.all(
      [
        made.token,
        other.token,
        'vk_x',
        `vk_${'0'.repeat(16)}_x`,
        `${good.slice(0, -1)}${last}`,
        `${good}x`,
        ids.workload,
      ].map(list),
    )
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 401, code: 'identity_invalid' })
      expect(withoutRequestId(answer)).toBe(withoutRequestId(answers[0] ?? answer))
    }
    identity = await issuer.identity(broker.url, { sub: 'workload:one' })
    tokens.identity = identity
  })

  it('S28 a workload token ends with its project', async () => {
    await broker.manage('POST', '/v1/projects', { name: 'ending' })
    const { token } = await broker.manage('POST', '/v1/access-tokens', {
      project: 'ending',
      environment: 'x',
    })
    const self = () => broker.call('GET', '/v1/access-tokens/self', { token: String(token) })
    expect((await self()).status).toBe(200)
    await broker.manage('DELETE', '/v1/projects/ending')
    expect((await self()).status).toBe(401)
  })

  it('S28 an unknown route tells nothing about who asks', async () => {
    for (const holder of holders) expect((await callAs(holder, 'GET', '/v1/no-such-route')).status).toBe(404)
  })
})

/** Connectors that a workload of project `one` must not tell apart. */
const outOfReach = () => [
  'vault/none',
  'vault/theirs',
  'vault/removed',
  String(ids.theirs),
  String(ids.removed),
  'scl_doesnotexist0000000',
  'scl_',
  'VAULT/MINE',
  'vault/mine ',
  "vault/mine' or '1'='1",
  'vault/%',
  '*',
  'mine',
  '../vault/mine',
  'vault/m\u0131ne',
  'x'.repeat(2_000),
]

describe('S28 what a workload can tell about connectors', () => {
  it('S28 an unknown, an unattached and a removed connector answer a token request alike', async () => {
    const answers = await Promise.all(outOfReach().map((reference) => broker.ask(reference, identity)))
    expectAlike(answers)
    expect(answers[0]?.message).toContain('connector is not linked to this project')
  })

  it('S28 and a description alike', async () => {
    const describe = (reference: string, token: string) =>
      broker.call('GET', `/v1/connect/connectors/${encodeURIComponent(reference)}`, { token })
    for (const token of [identity, tokens.workload ?? ''])
      expectAlike(await Promise.all(outOfReach().map((reference) => describe(reference, token))))
    expect((await describe('vault/mine', identity)).status).toBe(200)
  })

  it.each(['%00', 'vault%2Fmine%00', '%00vault%2Fmine', 'scl_%00'])(
    'S28 a name that no database can hold (%s) is one more unknown connector',
    async (segment) => {
      const body = { subject: { type: 'app' } }
      const answers = [
        await broker.call('POST', `/v1/connect/token/${segment}`, { token: identity, body }),
        await broker.call('GET', `/v1/connect/connectors/${segment}`, { token: identity }),
        await broker.call('DELETE', `/v1/connect/connectors/${segment}/tokens`, { token: identity, body }),
      ]
      expect(answers.map((answer) => [answer.status, answer.code])).toEqual(
        answers.map(() => [403, 'forbidden']),
      )
      const managed = await broker.call('GET', `/v1/connect/connectors/${segment}`, { token: broker.owner })
      expect(managed).toMatchObject({ status: 404, code: 'not_found' })
    },
  )

  it('S28 what a workload is told of its own connector holds no secret and no other project', async () => {
    const answer = await broker.call('GET', '/v1/connect/connectors/vault%2Fmine', { token: identity })
    const names = ['id', 'uid', 'name', 'type', 'service', 'clientUrl', 'createdAt', 'updatedAt', 'data']
    expect(Object.keys(answer.body).sort()).toEqual(names.sort())
    expect(answer.text).not.toMatch(/stored-secret|prj_/)
  })
})

describe('S27 revoking', () => {
  const revoke = (reference: string, holder: Holder, body: unknown) =>
    callAs(holder, 'DELETE', `/v1/connect/connectors/${encodeURIComponent(reference)}/tokens`, body)
  const app = { subject: { type: 'app' } }

  it('S27 needs the attachment, and does not tell whether there was something to revoke', async () => {
    const before = provider.revoked.length
    for (const holder of ['identity', 'workload'] as const)
      expectAlike(await Promise.all(outOfReach().map((reference) => revoke(reference, holder, app))))
    expect(provider.revoked).toHaveLength(before)
  })

  it('S27 needs the role of a manager for more than that', async () => {
    expect(await revoke('vault/theirs', 'auditor', {})).toMatchObject({ status: 403, code: 'forbidden' })
    expect(withoutRequestId(await revoke('vault/none', 'auditor', {}))).toBe(
      withoutRequestId(await revoke('vault/theirs', 'auditor', {})),
    )
    expect(await revoke('vault/theirs', 'nobody', {})).toMatchObject({ status: 401 })
    expect((await revoke('vault/theirs', 'manager', {})).status).toBe(200)
  })

  it('S27 tells nothing of tokens that others hold', async () => {
    await attach(broker, 'vault/mine', 'two')
    const other = await issuer.identity(broker.url, { sub: 'workload:two' })
    const theirs = await broker.ask('vault/mine', other, { subject: { type: 'user', id: 'eve' } })
    expect(theirs.status).toBe(200)
    const held = await revoke('vault/mine', 'identity', { subject: { type: 'user', id: 'eve' } })
    const unheld = await revoke('vault/mine', 'identity', { subject: { type: 'user', id: 'nobody' } })
    expect([held.status, held.text]).toEqual([200, unheld.text])
    expect(provider.revoked).not.toContain(theirs.body.token)
  })
})

function withoutRequestId(answer: Answer): string {
  return answer.text.replace(/req_[0-9a-f]+/g, '')
}

function expectAlike(answers: readonly Answer[]): void {
  const shapes = answers.map((answer) => [
    answer.status,
    withoutRequestId(answer),
    [...answer.headers.keys()].sort().join(),
  ])
  expect(shapes).toEqual(shapes.map(() => shapes[0]))
  expect(answers[0]).toMatchObject({ status: 403, code: 'forbidden' })
}
