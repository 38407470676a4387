import { setTimeout } from 'node:timers/promises'
import type { AuthorizeResponse } from '@valetkey/protocol'
import type { Transaction } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sha256 } from '../digest.ts'
import { generateKey } from '../secrets/key-ring.ts'
import type { Schema } from '../store/schema.ts'
import { startTestPostgres, type TestPostgres } from '../store/test-postgres.ts'
import { completeSignIn } from './complete.ts'
import { createConsentWork } from './consent-work.ts'
import { type ConsentBroker, type ConsentProject, startConsentBroker, startWebhook } from './test-consent.ts'

let postgres: TestPostgres
let replicas: readonly [ConsentBroker, ConsentBroker]
beforeAll(async () => {
  postgres = await startTestPostgres()
  const databaseUrl = await postgres.createDatabase()
  const keys = generateKey(Date.now()).text
  const first = await startConsentBroker(undefined, { databaseUrl, keys })
  const second = await startConsentBroker(undefined, { databaseUrl, keys, provider: first.provider })
  replicas = [first, second]
})
afterAll(async () => {
  for (const replica of replicas) await replica.close()
  await postgres.stop()
})

function completeAt(
  replica: ConsentBroker,
  project: ConsentProject,
  began: AuthorizeResponse,
  code: string,
): Promise<number> {
  const { verifier } = began
  const body = JSON.stringify({ verifier, code, subject: { type: 'user', id: 'u1' } })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${project.identity}` }
  const path = `/v1/connect/requests/${began.request}/complete`
  return replica.fetch(path, { method: 'POST', headers, body }).then((answer) => answer.status)
}

const six = [0, 1, 0, 1, 0, 1] as const

it('lets one of many completions at several replicas win', async () => {
  const [first] = replicas
  const project = await first.project()
  const began = await project.authorize()
  const done = await first.browser().consent(began.request)
  const statuses = await Promise.all(
    six.map((which) => completeAt(replicas[which], project, began, done.code ?? '')),
  )
  expect(statuses.sort()).toEqual([200, 409, 409, 409, 409, 409])
})

it('counts wrong attempts at several replicas together', async () => {
  const [first] = replicas
  const project = await first.project()
  const began = await project.authorize()
  await first.browser().consent(began.request)
  const statuses = await Promise.all(
    six.map((which) => completeAt(replicas[which], project, began, 'CCCC-CCCC')),
  )
  expect(statuses.sort()).toEqual([400, 400, 400, 409, 409, 409])
})

it('S04 redeems one of many callbacks with one state at several replicas', async () => {
  const [first, second] = replicas
  const project = await first.project()
  const began = await project.authorize({ returnUrl: 'https://app.test/' })
  const browser = first.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const twin = second.browser()
  twin.cookie = browser.cookie
  const callback = first.provider.approve(left.to ?? '')
  const redeemed = first.provider.redeemed.length
  const statuses = await Promise.all(
    six.map((which) => (which === 0 ? browser : twin).open(callback).then((shown) => shown.status)),
  )
  expect(statuses.sort()).toEqual([303, 400, 400, 400, 400, 400])
  expect(first.provider.redeemed).toHaveLength(redeemed + 1)
})

it('leaves nothing usable and nothing lost, whichever of a completion and a detachment comes first', async () => {
  const [first, second] = replicas
  for (let round = 0; round < 4; round++) {
    const project = await first.project()
    const began = await project.authorize()
    const done = await first.browser().consent(began.request)
    await Promise.all([
      completeAt(second, project, began, done.code ?? ''),
      first.manage('DELETE', `${project.connectorPath}/projects/${project.name}`),
    ])
    await createConsentWork(second.context, { everyMs: 3_600_000 }).runOnce()
    const grants = await first.context.db
      .selectFrom('grants')
      .select('state')
      .where('connector_id', '=', project.connectorId)
      .execute()
    expect(grants).toEqual([{ state: 'ended' }])
  }
})

it('tells a webhook once, however many replicas work', async () => {
  const [first, second] = replicas
  const hook = await startWebhook()
  const project = await first.project()
  const requests: string[] = []
  for (let count = 0; count < 5; count++) {
    const began = await project.authorize({ webhook: hook.url })
    await first.browser().submit(`/consent/${began.request}`, { action: 'cancel' })
    requests.push(began.request)
  }
  second.clock.now = first.clock.now
  await Promise.all(
    [first, second, first, second].map(({ context }) =>
      createConsentWork(context, { everyMs: 3_600_000 }).runOnce(),
    ),
  )
  const told = hook.received.map(({ body }) => (JSON.parse(body) as { request: string }).request)
  expect(told.sort()).toEqual(requests.sort())
  await hook.close()
})

it('does not deadlock when a sign-in code comes a second time while a revocation locks the owner’s attachments', async () => {
  const [first] = replicas
  const { context } = first
  const project = await first.project()
  await first.manage('POST', `${project.connectorPath}/projects/${project.name}`, {
    environments: ['development', 'staging'],
    userNamespace: 'shared',
  })
  const began = await project.authorize()
  const attachments = await context.db
    .selectFrom('attachments')
    .selectAll()
    .where('connector_id', '=', project.connectorId)
    .orderBy('id')
    .execute()
  const [low, high] = attachments
  if (low === undefined || high === undefined) throw new Error('Not attached twice')
  await context.db
    .updateTable('consent_requests')
    .set({ kind: 'sign_in', status: 'active', code_hash: sha256('used'), attachment_id: high.id })
    .set({ owner: high.owner })
    .where('id', '=', began.request)
    .execute()
  const lock = (db: Transaction<Schema>, id: string) =>
    db.selectFrom('attachments').select('id').where('id', '=', id).forUpdate().execute()
  const code = { requestId: began.request, secret: 'used', attachmentId: high.id }

  const [replayed] = await context.db.transaction().execute(async (revocation) => {
    await lock(revocation, low.id)
    const replay = completeSignIn(context, code)
    await setTimeout(500)
    await lock(revocation, high.id)
    return [replay] as const
  })
  expect((await replayed).ok).toBe(false)
  expect((await first.row(began.request)).code_hash).toBeNull()
})
