import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { createGrantWork } from '../issue/grant-work.ts'
import { hasOpenSignIns } from '../store/consent-requests.ts'
import { createConsentWork } from './consent-work.ts'
import { createDeliveries } from './deliver.ts'
import { type ConsentBroker, startConsentBroker, startWebhook } from './test-consent.ts'

let broker: ConsentBroker
let hook: Awaited<ReturnType<typeof startWebhook>>
beforeAll(async () => {
  broker = await startConsentBroker()
  hook = await startWebhook()
})
afterAll(async () => {
  await hook.close()
  await broker.close()
})
beforeEach(() => {
  hook.received.length = 0
  hook.answers.length = 0
})

const round = () => createConsentWork(broker.context, { everyMs: 3_600_000 }).runOnce()
const told = () => hook.received.map(({ body }) => JSON.parse(body))
const queued = () => broker.context.db.selectFrom('webhook_deliveries').selectAll().execute()

it('tells a webhook of every change, in order, with an attestation of exactly this call', async () => {
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url })
  await round()
  expect(hook.received).toEqual([])
  const done = await broker.browser().consent(began.request)
  await project.complete(began, done.code ?? '')
  await round()
  await round()
  expect(told()).toEqual([
    { request: began.request, status: 'consented' },
    { request: began.request, status: 'active' },
  ])
  expect(await queued()).toEqual([])

  const [first, second] = hook.received
  const keys = (await (await broker.fetch('/.well-known/jwks.json')).json()) as JSONWebKeySet
  for (const key of keys.keys)
    expect(key).toMatchObject({ alg: 'ES256', use: 'sig', kid: expect.any(String) })
  const { payload, protectedHeader } = await jwtVerify(
    first?.authorization.replace('Bearer ', '') ?? '',
    createLocalJWKSet(keys),
    { currentDate: new Date(broker.clock.now) },
  )
  expect(protectedHeader).toEqual({
    alg: 'ES256',
    typ: 'vk-trigger+jwt',
    kid: broker.context.attestationKey.kid,
  })
  const issuedAt = Math.floor(broker.clock.now / 1000)
  expect(payload).toEqual({
    iss: broker.publicUrl,
    aud: new URL(hook.url).origin,
    project: { id: expect.stringMatching(/^prj_/), name: project.name },
    environment: 'development',
    destination: hook.url,
    request: began.request,
    connector: { id: project.connectorId, uid: project.uid },
    digest: `sha-256=${createHash('sha256')
      .update(first?.body ?? '')
      .digest('base64url')}`,
    iat: issuedAt,
    exp: issuedAt + 60,
    jti: expect.any(String),
  })
  expect(JSON.stringify(hook.received)).not.toContain(done.code)
  expect(second?.authorization).not.toBe(first?.authorization)
})

it('S38 signs attestations with a key that nothing else of the broker accepts or signs with', async () => {
  const { attestationKey, developmentKey, checkpointKey, gateway } = broker.context
  const others = [developmentKey.kid, checkpointKey.kid, gateway.key.kid]
  expect(others).not.toContain(attestationKey.kid)
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url })
  await broker.browser().submit(`/consent/${began.request}`, { action: 'cancel' })
  await round()
  const authorization = hook.received[0]?.authorization ?? ''
  const answer = await broker.fetch(`/v1/connect/token/fake%2F${project.name}`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ subject: { type: 'user', id: 'u1' } }),
  })
  expect(answer.status).toBe(401)
})

it('tells a webhook why a request came to nothing', async () => {
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url })
  await broker.browser().submit(`/consent/${began.request}`, { action: 'cancel' })
  await round()
  expect(told()).toEqual([
    {
      request: began.request,
      status: 'denied',
      error: { code: 'access_denied', message: 'The request was cancelled' },
    },
  ])
})

it('tries again with a new attestation, later each time, and gives up after ten attempts', async () => {
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url })
  await broker.browser().submit(`/consent/${began.request}`, { action: 'cancel' })
  hook.answers.push(...Array.from({ length: 20 }, () => ({ status: 500 })))
  await round()
  await round()
  expect(hook.received).toHaveLength(1)
  broker.clock.now += 5_000
  await round()
  expect(hook.received).toHaveLength(2)
  expect(new Set(hook.received.map(({ authorization }) => authorization)).size).toBe(2)
  broker.clock.now += 5_000
  await round()
  expect(hook.received).toHaveLength(2)
  for (let attempt = 3; attempt <= 12; attempt++) {
    broker.clock.now += 900_000
    await round()
  }
  expect(hook.received).toHaveLength(10)
  expect(await queued()).toEqual([])
})

it('follows no redirect of a webhook', async () => {
  const elsewhere = await startWebhook()
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url })
  await broker.browser().submit(`/consent/${began.request}`, { action: 'cancel' })
  hook.answers.push({ status: 307, location: elsewhere.url })
  await round()
  expect(elsewhere.received).toEqual([])
  expect(await queued()).toHaveLength(1)
  await elsewhere.close()
  broker.clock.now += 5_000
  await round()
  expect(await queued()).toEqual([])
})

it('does not tell of a change that did not come about', async () => {
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url })
  await broker.browser().consent(began.request)
  await round()
  hook.received.length = 0
  await project.complete(began, 'x')
  await round()
  expect(hook.received).toEqual([])
})

it('S01 never activates by a webhook or a status call', async () => {
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url })
  await broker.browser().consent(began.request)
  await round()
  await project.status(began)
  expect(told()).toEqual([{ request: began.request, status: 'consented' }])
  expect((await project.token()).status).not.toBe(200)
})

it('does not let webhooks that hang, of one project, keep those of others waiting', async () => {
  const [slow, other] = [await broker.project(), await broker.project()]
  const release: (() => void)[] = []
  const waiting = createServer((_request, response) => release.push(() => response.writeHead(204).end()))
  await new Promise<void>((resolve) => waiting.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(waiting.address() as AddressInfo).port}/hook`
  for (let n = 0; n < 6; n++) {
    const began = await slow.authorize({ webhook: url })
    await broker.browser().submit(`/consent/${began.request}`, { action: 'cancel' })
  }
  const began = await other.authorize({ webhook: hook.url })
  await broker.browser().submit(`/consent/${began.request}`, { action: 'cancel' })

  const deliveries = createDeliveries(broker.context)
  await deliveries.begin()
  await vi.waitFor(() => expect([release.length, told().length]).toEqual([4, 1]), { timeout: 5_000 })
  // A round later the four still hang: the project gets no more, and nobody waits for it.
  await deliveries.begin()
  const next = await other.authorize({ webhook: hook.url })
  await broker.browser().submit(`/consent/${next.request}`, { action: 'cancel' })
  await deliveries.begin()
  await vi.waitFor(() => expect(told()).toHaveLength(2), { timeout: 5_000 })
  expect(release).toHaveLength(4)
  for (const answer of release) answer()
  await deliveries.settled()
  await deliveries.begin()
  await vi.waitFor(() => expect(release).toHaveLength(6), { timeout: 5_000 })
  for (const answer of release.slice(4)) answer()
  await deliveries.settled()
  expect(await queued()).toEqual([])
  waiting.close()
}, 60_000)

it('ends a request whose credential does not open any more, so that it does not stand first in every round', async () => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl: 'https://app.test/' })
  await broker.browser().consent(began.request)
  await broker.context.db
    .updateTable('consent_requests')
    .set({ credential: 'v1.not-sealed' })
    .where('id', '=', began.request)
    .execute()
  broker.clock.now += 60_000
  await round()
  expect(await broker.row(began.request)).toMatchObject({ status: 'expired', credential: null })
})

it('S29 forgets sign-ins that nobody followed as soon as their time is over', async () => {
  const project = await broker.project()
  const [left, shown] = [await project.authorize(), await project.authorize()]
  const browser = broker.browser()
  await browser.submit(`/consent/${left.request}`, { action: 'continue' })
  const { db } = broker.context
  await db
    .updateTable('consent_requests')
    .set({ kind: 'sign_in' })
    .where('id', 'in', [left.request, shown.request])
    .execute()
  const open = (count: number) =>
    hasOpenSignIns(db, { connectorId: project.connectorId, count, now: broker.clock.now })
  expect([await open(1), await open(2), await open(3)]).toEqual([true, true, false])
  broker.clock.now += 600_000
  expect(await open(1)).toBe(false)
  await round()
  expect((await broker.row(left.request)).status).toBe('expired')
  await expect(broker.row(shown.request)).rejects.toThrow()
})

it('ends requests whose time is over, and forgets them a day later', async () => {
  const project = await broker.project()
  const began = await project.authorize({ webhook: hook.url, expiresInMs: 60_000, deviceCode: true })
  broker.clock.now += 59_999
  await round()
  expect(await project.status(began)).toBe('pending')
  broker.clock.now += 1
  expect(await project.status(began)).toBe('expired')
  await round()
  expect(await project.status(began)).toBe('expired')
  expect(told()).toEqual([{ request: began.request, status: 'expired', error: expect.anything() }])
  expect(await broker.row(began.request)).toMatchObject({ device_code_hash: null })
  broker.clock.now += 86_400_000
  await round()
  expect((await broker.row(began.request)).status).toBe('expired')
  broker.clock.now += 1
  await round()
  await expect(broker.row(began.request)).rejects.toThrow()
})

it.each([
  ['by a code that nobody brought back in time', { returnUrl: 'https://app.test/' }, 60_000],
  ['by a code that nobody typed in time', {}, 600_000],
])('ends what was granted at the provider when it was lost %s', async (_what, how, ms) => {
  const project = await broker.project()
  const began = await project.authorize(how)
  await broker.browser().consent(began.request)
  const token = `access-of-ada-${broker.provider.redeemed.at(-1)}`
  const end = createGrantWork(broker.context, { everyMs: 3_600_000 })
  broker.clock.now += ms - 1
  await round()
  await end.runOnce()
  expect(broker.provider.ended).not.toContain(token)
  broker.clock.now += 1
  await round()
  await end.runOnce()
  expect(broker.provider.ended).toContain(token)
  expect(await broker.row(began.request)).toMatchObject({ status: 'expired', credential: null })
  expect((await project.consentEvents()).at(-1)).toBe('consent_refused')
})
