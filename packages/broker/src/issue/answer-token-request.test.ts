import { ProviderFault } from '@valetkey/connectors'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRevocationWork } from './revocation-work.ts'
import { startTestBroker, type TestBroker } from './test-broker.ts'

let broker: TestBroker
beforeAll(async () => {
  broker = await startTestBroker()
})
afterAll(async () => {
  await broker.close()
})

it('mints once for a burst of equal requests, whatever the order of their fields, and records each answer', async () => {
  const project = await broker.project()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      project.ask(
        index % 2 === 0
          ? { subject: { type: 'app' }, scopes: ['b', 'a'] }
          : { scopes: ['a', 'b', 'a'], subject: { type: 'app' } },
      ),
    ),
  )
  expect(new Set(answers.map(({ body }) => body.token))).toEqual(new Set(['provider-token-1']))
  expect(broker.provider.minted).toHaveLength(1)
  expect((await project.tokenEvents()).filter((kind) => kind === 'token_issued')).toHaveLength(20)
})

it('commits the intent before it calls the provider, and the outcome before it answers', async () => {
  const project = await broker.project()
  const mint = broker.provider.onMint
  let seen: string[] = []
  broker.provider.onMint = async (request, number) => {
    seen = await project.tokenEvents()
    return mint(request, number)
  }
  await project.ask()
  expect(seen).toEqual(['token_intended'])
  expect(await project.tokenEvents()).toEqual(['token_intended', 'token_issued'])
})

it('issues nothing when the audit trail cannot be written', async () => {
  const project = await broker.project()
  expect((await project.ask()).status).toBe(200)
  await sql`alter table audit_events rename to audit_events_away`.execute(broker.context.db)
  const { status, body } = await project.ask()
  expect(status).toBe(503)
  expect(body.error?.code).toBe('unavailable')
  expect(JSON.stringify(body)).not.toContain('provider-token')
  await sql`alter table audit_events_away rename to audit_events`.execute(broker.context.db)
  expect((await project.ask()).status).toBe(200)
})

it('replaces a rejected token once, and serves the new one to whoever still reports the old', async () => {
  const project = await broker.project()
  const first = await project.ask()
  const report = { subject: { type: 'app' }, rejectedTokenId: first.body.tokenId }
  expect((await project.ask(report)).body.token).toBe('provider-token-2')
  expect((await project.ask(report)).body.token).toBe('provider-token-2')
  expect((await project.ask()).body.token).toBe('provider-token-2')
  expect(broker.provider.minted).toHaveLength(2)
})

it('S40 ends and refuses a token that was minted across a revocation', async () => {
  const project = await broker.project()
  const mint = broker.provider.onMint
  broker.provider.onMint = async (request, number) => {
    await project.call('DELETE', `${project.connectorPath}/tokens`, { subject: { type: 'app' } })
    return mint(request, number)
  }
  const { status, body } = await project.ask()
  expect([status, body.error?.code]).toEqual([409, 'conflict'])
  expect(broker.provider.revoked).toEqual(['provider-token-1'])
  broker.provider.onMint = mint
  expect((await project.ask()).body.token).toBe('provider-token-2')
})

it('ends a lease that the ceiling cut short at the provider, when it is over', async () => {
  const project = await broker.project({ maxTtlSeconds: 60 })
  const { body } = await project.ask()
  expect(body.expiresAt - broker.clock.now).toBe(60_000)
  const worker = createRevocationWork(broker.context, { everyMs: 3_600_000 })
  await worker.runOnce()
  expect(broker.provider.revoked).toEqual([])
  broker.clock.now += 60_000
  broker.provider.onRevoke = async () => {
    throw new ProviderFault('away')
  }
  await worker.runOnce()
  broker.provider.onRevoke = async () => 'revoked'
  await worker.runOnce()
  expect(broker.provider.revoked).toHaveLength(1)
  broker.clock.now += 10_000
  await worker.runOnce()
  await worker.runOnce()
  expect(broker.provider.revoked).toEqual(['provider-token-1', 'provider-token-1'])
  expect((await project.tokenEvents()).filter((kind) => kind === 'token_ended_at_provider')).toHaveLength(2)
})

it('ends what was issued under an attachment when it is removed', async () => {
  const project = await broker.project()
  await project.ask()
  await broker.manage('DELETE', `${project.connectorPath}/projects/${project.name}`)
  expect((await project.ask()).body.error?.code).toBe('forbidden')
  await createRevocationWork(broker.context, { everyMs: 3_600_000 }).runOnce()
  expect(broker.provider.revoked).toEqual(['provider-token-1'])
})

it.each([
  [{ outcome: 'refused', reason: 'no_credential', message: 'm' }, 422, 'no_token'],
  [
    { outcome: 'refused', reason: 'installation_required', message: 'm' },
    422,
    'connector_installation_required',
  ],
  [{ outcome: 'refused', reason: 'above_grant', message: 'm' }, 403, 'above_ceiling'],
  [{ outcome: 'refused', reason: 'invalid_request', message: 'm' }, 400, 'invalid_request'],
  [{ outcome: 'refused', reason: 'provider_refused', message: 'm' }, 422, 'provider_refused'],
] as const)('answers the refusal %o with %i %s', async (refusal, status, code) => {
  const project = await broker.project()
  broker.provider.onMint = async () => refusal
  const answer = await project.ask()
  expect([answer.status, answer.body.error?.code]).toEqual([status, code])
  expect(await project.tokenEvents()).toEqual(['token_intended', 'token_refused'])
})

it('answers a fault of the provider with 502, and a token that has expired already too', async () => {
  const project = await broker.project()
  const mint = broker.provider.onMint
  broker.provider.onMint = async () => {
    throw new ProviderFault('Fake is down', { status: 503 })
  }
  expect((await project.ask()).status).toBe(502)
  broker.provider.onMint = async (request, number) =>
    ({ ...(await mint(request, number)), expiresAtMs: 1 }) as never
  expect((await project.ask()).body.error?.code).toBe('provider_error')
  expect(await project.tokenEvents()).toEqual([
    'token_intended',
    'token_failed',
    'token_intended',
    'token_failed',
  ])
})

it('believes a trust change of another replica with the next request', async () => {
  const project = await broker.project()
  await project.ask()
  // As another replica would: in the database, behind this process's back.
  await broker.context.db
    .updateTable('projects')
    .set({ allow_development_identities: false })
    .where('name', '=', project.name)
    .execute()
  await broker.context.db.updateTable('revisions').set({ value: sql`value + 1` }).execute()
  expect((await project.ask()).body.error?.code).toBe('identity_invalid')
})

it('records the refusal of an operator who asks for a token', async () => {
  const project = await broker.project()
  await expect(
    broker.manage('POST', `/v1/connect/token/fake%2F${project.name}`, { subject: { type: 'app' } }),
  ).rejects.toThrow('403')
  const { events } = await broker.manage('GET', '/v1/audit/events?limit=1')
  expect(events).toMatchObject([{ kind: 'token_refused', code: 'forbidden', actor: { type: 'operator' } }])
})

it('S26 keeps JSON of a caller’s own making out of the trail', async () => {
  const project = await broker.project()
  const { status } = await project.ask({
    subject: { type: 'app' },
    authorizationDetails: [{ type: 'x', token: 'ghp_secret' }],
  })
  expect(status).toBe(400)
  expect(JSON.stringify(await broker.manage('GET', '/v1/audit/events?limit=5'))).not.toContain('ghp_secret')
})

it('lists management by project and connector, with what was allowed', async () => {
  const project = await broker.project({ scopes: ['read'] })
  const { events } = (await broker.manage(
    'GET',
    `/v1/audit/events?project=${project.name}&kind=management_done`,
  )) as {
    events: { action: string; details: Record<string, unknown> }[]
  }
  expect(events.map(({ action }) => action)).toEqual(['identity.issue', 'connector.attach', 'project.create'])
  expect(events[1]?.details).toMatchObject({
    attachments: [{ scopes: ['read'], environment: 'development' }],
  })
})

it('keeps both changes when a connector is renamed and re-identified at the same moment', async () => {
  const project = await broker.project()
  const { id } = await broker.manage('GET', project.connectorPath)
  const path = `/v1/connect/connectors/${String(id)}`
  await Promise.all([
    broker.manage('PATCH', path, { name: 'renamed' }),
    broker.manage('PATCH', path, { uid: `fake/${project.name}-moved` }),
  ])
  expect(await broker.manage('GET', path)).toMatchObject({
    name: 'renamed',
    uid: `fake/${project.name}-moved`,
  })
})

it('ends a token whose access token was removed while it was minted', async () => {
  const project = await broker.project()
  const made = await broker.manage('POST', '/v1/access-tokens', {
    project: project.name,
    environment: 'development',
  })
  const mint = broker.provider.onMint
  broker.provider.onMint = async (request, number) => {
    await broker.manage('DELETE', `/v1/access-tokens/${String(made.id)}`)
    return mint(request, number)
  }
  const answer = await project.askAs(String(made.token))
  expect([answer.status, answer.body.error?.code]).toEqual([409, 'conflict'])
  await createRevocationWork(broker.context, { everyMs: 3_600_000 }).runOnce()
  expect(broker.provider.revoked).toEqual(['provider-token-1'])
})
