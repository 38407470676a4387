import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseTokenRequest } from '../issue/token-request.ts'
import { beginConsent } from './begin-consent.ts'
import { completeSignIn } from './complete.ts'
import { type ConsentBroker, startConsentBroker } from './test-consent.ts'

let broker: ConsentBroker
beforeAll(async () => {
  broker = await startConsentBroker()
})
afterAll(async () => {
  await broker.close()
})

async function begin() {
  const project = await broker.project()
  const attachment = await broker.context.db
    .selectFrom('attachments')
    .selectAll()
    .where('connector_id', '=', project.connectorId)
    .executeTakeFirstOrThrow()
  const wanted = parseTokenRequest({ subject: { type: 'user', id: 'somebody' } })
  if (!wanted.ok) throw new Error('not parsed')
  const begun = await beginConsent(broker.context, {
    kind: 'sign_in',
    connectorId: project.connectorId,
    attachment,
    request: { wanted: wanted.value, delivery: {} },
    gateway: {
      redirectUri: 'https://app.test/signed-in',
      codeChallenge: 'c',
      scopes: ['openid'],
      state: 'its own',
    },
  })
  if (!begun.ok) throw new Error('not begun')
  return { project, attachmentId: attachment.id, row: begun.value.row }
}

/** The code that the browser brought back, as the gateway takes it apart. */
function codeIn(to: string | undefined): { requestId: string; secret: string } {
  const [requestId = '', secret = ''] = (new URL(to ?? '').searchParams.get('code') ?? '').split('.')
  return { requestId, secret }
}

it('signs in whoever the provider names, for the client that redeems the code', async () => {
  const { row, attachmentId } = await begin()
  const back = await broker.browser().consent(row.id, 'grace')
  expect(broker.provider.starts.at(-1)?.signIn).toBe(true)
  expect(back.to).toMatch(/^https:\/\/app\.test\/signed-in\?/)
  expect(new URL(back.to ?? '').searchParams.get('state')).toBe('its own')
  const code = codeIn(back.to)
  expect(code.requestId).toBe(row.id)
  expect(await broker.grants()).toEqual([])
  const completed = await completeSignIn(broker.context, { ...code, attachmentId })
  expect(completed).toMatchObject({ ok: true, value: { status: 'active', issuer: broker.publicUrl } })
  const [grant] = await broker.grants()
  expect(grant).toMatchObject({
    issuer: broker.publicUrl,
    kind: 'user',
    identity: { externalSubject: 'grace' },
  })
  expect(grant?.user_id).not.toBe('')
  expect(grant?.user_id).not.toContain('grace')
})

it('S41 redeems a code only for its own attachment, once, and in time', async () => {
  const { row, attachmentId } = await begin()
  const other = await begin()
  const code = codeIn((await broker.browser().consent(row.id)).to)
  const before = (await broker.grants()).length
  expect((await completeSignIn(broker.context, { ...code, attachmentId: other.attachmentId })).ok).toBe(false)
  expect((await completeSignIn(broker.context, { ...code, secret: 'x', attachmentId })).ok).toBe(false)
  broker.clock.now += 60_000
  expect((await completeSignIn(broker.context, { ...code, attachmentId })).ok).toBe(false)
  expect(await broker.grants()).toHaveLength(before)
})

it('ends what the first use of a code made when it is used again, and nothing at the third', async () => {
  const { row, attachmentId } = await begin()
  const code = codeIn((await broker.browser().consent(row.id)).to)
  const first = await completeSignIn(broker.context, { ...code, attachmentId })
  const grantId = first.ok ? first.value.grant_id : undefined
  const stateOf = async () =>
    (await broker.context.db.selectFrom('grants').selectAll().execute()).find((grant) => grant.id === grantId)
      ?.state
  expect((await completeSignIn(broker.context, { ...code, secret: 'x', attachmentId })).ok).toBe(false)
  expect(await stateOf()).toBe('active')
  expect((await completeSignIn(broker.context, { ...code, attachmentId })).ok).toBe(false)
  expect(await stateOf()).toBe('ended')
  expect((await broker.row(row.id)).code_hash).toBeNull()
  expect((await completeSignIn(broker.context, { ...code, attachmentId })).ok).toBe(false)
})

it('lets one of two redemptions at once win, and leaves neither with a grant', async () => {
  const { row, attachmentId, project } = await begin()
  const code = codeIn((await broker.browser().consent(row.id)).to)
  const both = await Promise.all([1, 2].map(() => completeSignIn(broker.context, { ...code, attachmentId })))
  expect(both.map(({ ok }) => ok).sort()).toEqual([false, true])
  const active = (await broker.grants()).filter((grant) => grant.connector_id === project.connectorId)
  expect(active).toEqual([])
})

it('signs nobody in whom the provider does not name', async () => {
  const { row } = await begin()
  const back = await broker.browser().consent(row.id, 'nobody')
  expect(new URL(back.to ?? '').searchParams.get('error')).toBe('server_error')
  expect(await broker.row(row.id)).toMatchObject({ status: 'error', credential: null })
})

it('S38 completes no sign-in by the call for requests', async () => {
  const { row, project } = await begin()
  const code = codeIn((await broker.browser().consent(row.id)).to)
  for (const verifier of [code.secret, 'x']) {
    const body = { verifier, code: code.secret }
    expect((await project.call('POST', `/v1/connect/requests/${row.id}/complete`, body)).status).toBe(403)
  }
})

it('tells the app that a person cancelled the sign-in', async () => {
  const { row } = await begin()
  const shown = await broker.browser().submit(`/consent/${row.id}`, { action: 'cancel' })
  const { searchParams } = new URL(shown.to ?? '')
  expect([searchParams.get('error'), searchParams.get('state')]).toEqual(['access_denied', 'its own'])
})
