import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCredential } from '../issue/grant-credential.ts'
import { readGrant } from '../store/grants.ts'
import { type GrantBroker, type Place, startGrantBroker } from './test-grants.ts'

let broker: GrantBroker

beforeAll(async () => {
  broker = await startGrantBroker()
})
afterAll(() => broker.close())

const user = (id: string) => ({ subject: { type: 'user', id } })
const installation = (id: string) => ({ subject: { type: 'app' }, installation: { id } })

/** Imports one grant for each, a millisecond apart, and returns their ids. */
async function withGrants(place: Place, ...each: object[]): Promise<string[]> {
  for (const more of each) {
    broker.clock.now++
    const expiresAt = broker.clock.now + 3_600_000
    const token = { accessToken: 'access-secret', expiresAt, environment: 'development', ...more }
    const body = { project: place.project, tokens: [token] }
    expect(await broker.call('manager', 'POST', place.importPath, body)).toMatchObject({
      body: { imported: 1 },
    })
  }
  return (await list(place)).map(({ id }) => String(id))
}

async function list(place: Place, query = '') {
  const { body } = await broker.call('auditor', 'GET', `${place.path}/grants${query}`)
  return body.grants as Record<string, unknown>[]
}

const ask = (place: Place, body: object) =>
  broker.call(
    { credential: place.identity },
    'POST',
    `/v1/connect/token/${encodeURIComponent(place.uid)}`,
    body,
  )

describe('grants, for operators', () => {
  it('are listed with everything but what they hold', async () => {
    const place = await broker.place()
    await withGrants(place, user('alice'))
    expect(await list(place)).toEqual([
      {
        id: expect.stringMatching(/^grt_/),
        connectorId: expect.stringMatching(/^scl_/),
        kind: 'user',
        project: { id: expect.stringMatching(/^prj_/), name: place.project },
        environment: 'development',
        namespace: null,
        issuer: null,
        userId: 'alice',
        installationId: null,
        tenantId: null,
        externalSubject: null,
        name: null,
        state: 'active',
        isDefault: true,
        scopes: [],
        createdAt: broker.clock.now,
        updatedAt: broker.clock.now,
        accessExpiresAt: broker.clock.now + 3_600_000,
        refreshable: false,
        revokeOutcome: null,
      },
    ])
  })

  it('are listed by pages, those made first first', async () => {
    const place = await broker.place()
    const ids = await withGrants(place, user('a'), user('b'), user('c'))
    const first = await broker.call('auditor', 'GET', `${place.path}/grants?limit=2`)
    const rest = await broker.call(
      'auditor',
      'GET',
      `${place.path}/grants?limit=2&cursor=${first.body.cursor}`,
    )
    const found = [...(first.body.grants as object[]), ...(rest.body.grants as object[])]
    expect(found.map((grant) => 'id' in grant && grant.id)).toEqual(ids)
    expect([first.body.cursor, rest.body.cursor]).toEqual([expect.any(String), null])
    for (const query of ['?limit=0', '?cursor=x', '?state=gone'])
      expect((await broker.call('auditor', 'GET', `${place.path}/grants${query}`)).status).toBe(400)
  })

  it('are of one connector only', async () => {
    const place = await broker.place()
    const other = await broker.place()
    const [id] = await withGrants(other, user('alice'))
    expect(await list(place)).toEqual([])
    for (const [method, body] of [['PATCH', { default: true }], ['DELETE']] as const)
      expect((await broker.call('owner', method, `${place.path}/grants/${id}`, body)).status).toBe(404)
    expect(await list(other)).toMatchObject([{ id, state: 'active' }])
    expect((await broker.call('auditor', 'GET', '/v1/connect/connectors/fake%2Fno/grants')).status).toBe(404)
  })

  it('have one default each, which answers where no installation is named', async () => {
    const place = await broker.place()
    const [first, second] = await withGrants(place, installation('T1'), installation('T2'))
    expect(await list(place)).toMatchObject([{ isDefault: true }, { isDefault: false }])
    const changed = await broker.call('manager', 'PATCH', `${place.path}/grants/${second}`, { default: true })
    expect(changed).toMatchObject({ status: 200, body: { id: second, uid: place.uid, isDefault: true } })
    expect(await list(place)).toMatchObject([
      { id: first, isDefault: false },
      { id: second, isDefault: true },
    ])
    for (const body of [{}, { default: false }, { default: true, scopes: [] }])
      expect((await broker.call('manager', 'PATCH', `${place.path}/grants/${first}`, body)).status).toBe(400)
  })

  it('are ended by a removal: not served from then on, and left for the provider to end', async () => {
    const place = await broker.place()
    const [alice, bob] = await withGrants(place, user('alice'), user('bob'))
    expect((await ask(place, user('alice'))).status).toBe(200)
    const removed = await broker.call('manager', 'DELETE', `${place.path}/grants/${alice}`)
    expect(removed).toMatchObject({ status: 200, body: { id: alice, removed: true } })
    expect((await ask(place, user('alice'))).status).toBe(422)
    expect((await ask(place, user('bob'))).status).toBe(200)
    expect(await list(place)).toMatchObject([{ id: bob }])
    expect(await list(place, '?state=ended')).toMatchObject([{ id: alice, state: 'ended', isDefault: false }])
    expect(await readGrant(broker.context.db, String(alice))).toMatchObject({ revoke_at: broker.clock.now })
    expect((await broker.call('manager', 'DELETE', `${place.path}/grants/${alice}`)).status).toBe(404)
  })

  it('stop answers under way when they are removed: every attachment of their owner is told', async () => {
    const place = await broker.place({ userNamespace: 'people' }, ['development', 'preview'])
    const [id] = await withGrants(place, user('alice'))
    const count = () =>
      broker.context.db
        .selectFrom('attachments as a')
        .innerJoin('connectors as c', 'c.id', 'a.connector_id')
        .select('a.revocations')
        .where('c.uid', '=', place.uid)
        .execute()
    expect(await count()).toEqual([{ revocations: 0 }, { revocations: 0 }])
    await broker.call('manager', 'DELETE', `${place.path}/grants/${id}`)
    expect(await count()).toEqual([{ revocations: 1 }, { revocations: 1 }])
  })

  it('outlive new secrets of their connector', async () => {
    const place = await broker.place()
    const [id] = await withGrants(place, user('alice'))
    const before = await broker.context.db
      .selectFrom('connectors')
      .select('version')
      .where('uid', '=', place.uid)
      .executeTakeFirstOrThrow()
    const changed = await broker.call('manager', 'PATCH', place.path, { data: { key: 'second' } })
    expect(changed.status).toBe(200)
    const after = await broker.context.db
      .selectFrom('connectors')
      .select('version')
      .where('uid', '=', place.uid)
      .executeTakeFirstOrThrow()
    expect(after.version).toBe(before.version + 1)
    const row = await readGrant(broker.context.db, String(id))
    if (row === undefined) throw new Error('the grant is gone')
    expect(openCredential(broker.context.keyRing, row)).toMatchObject({ accessToken: 'access-secret' })
    expect(await list(place)).toMatchObject([{ id, state: 'active' }])
    expect(await ask(place, user('alice'))).toMatchObject({ status: 200, body: { token: 'access-secret' } })
  })

  it('are shown to auditors, changed by managers, and closed to workloads', async () => {
    const place = await broker.place()
    const [id] = await withGrants(place, user('alice'))
    const path = `${place.path}/grants/${id}`
    const workload = { credential: place.identity }
    expect((await broker.call(workload, 'GET', `${place.path}/grants`)).status).toBe(403)
    for (const who of ['auditor', workload] as const) {
      expect((await broker.call(who, 'PATCH', path, { default: true })).status).toBe(403)
      expect((await broker.call(who, 'DELETE', path)).status).toBe(403)
    }
    expect(await list(place)).toHaveLength(1)
  })

  it('leave changes in the audit trail, without the names of people', async () => {
    const place = await broker.place()
    const [id] = await withGrants(place, user('alice'))
    await broker.call('manager', 'PATCH', `${place.path}/grants/${id}`, { default: true })
    await broker.call('manager', 'DELETE', `${place.path}/grants/${id}`)
    const { body } = await broker.call('auditor', 'GET', `/v1/audit/events?limit=4`)
    expect(body.events).toMatchObject([
      { kind: 'management_done', action: 'grant.remove', details: { id, environment: 'development' } },
      { kind: 'management_intended', action: 'grant.remove' },
      { kind: 'management_done', action: 'grant.update', details: { id } },
      { kind: 'management_intended', action: 'grant.update' },
    ])
    expect(JSON.stringify(body.events)).not.toContain('alice')
  })
})
