import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createGrantWork } from '../issue/grant-work.ts'
import { findConnector, updateConnector } from '../store/connectors.ts'
import { createConsentWork } from './consent-work.ts'
import { type ConsentBroker, startConsentBroker } from './test-consent.ts'

let broker: ConsentBroker
beforeAll(async () => {
  broker = await startConsentBroker()
})
afterAll(async () => {
  await broker.close()
})

const returnUrl = 'https://app.test/back?tab=2'

/** The parameters with which a browser comes back to the app. */
function answerIn(to: string | undefined): Record<string, string> {
  return Object.fromEntries(new URL(to ?? '').searchParams)
}

it('leads from authorize to an active grant by way of the return URL', async () => {
  const project = await broker.project({ scopes: ['read', 'write'] })
  const began = await project.authorize({ returnUrl, scopes: ['read'] })
  expect(began).toMatchObject({
    url: `${broker.publicUrl}/consent/${began.request}`,
    expiresAt: broker.clock.now + 600_000,
    connector: { uid: project.uid, service: 'fake', serviceName: 'Fake', type: 'fake', name: project.name },
  })
  expect(began.verifier).toHaveLength(50)
  expect(await project.status(began)).toBe('pending')

  const browser = broker.browser()
  const shown = await browser.open(`/consent/${began.request}`)
  expect(shown.html).toContain(project.name)
  expect(shown.html).toContain('development')
  expect(shown.html).toContain('See your issues')
  expect(shown.html).toContain('app.test')
  const back = await browser.consent(began.request)
  const answer = answerIn(back.to)
  expect(answer).toEqual({ tab: '2', request: began.request, code: expect.stringMatching(/^[\w-]{43}$/) })
  expect(await project.status(began)).toBe('consented')
  expect((await project.token()).body.error?.code).not.toBeUndefined()

  expect(await project.complete(began, answer.code ?? '')).toMatchObject({
    status: 200,
    body: { request: began.request, status: 'active' },
  })
  expect(await project.status(began)).toBe('active')
  expect((await project.token()).body.token).toMatch(/^access-of-ada/)
  expect(await project.consentEvents()).toEqual([
    'consent_begun',
    'consent_intended',
    'consent_given',
    'consent_completed',
  ])
  const again = await project.complete(began, answer.code ?? '')
  expect([again.status, again.body.error?.code]).toEqual([409, 'conflict'])
})

it('leads from a device code to an active grant by way of a code that the person types back', async () => {
  const project = await broker.project()
  const began = await project.authorize({ deviceCode: true, returnUrl })
  expect(began.deviceCode).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  expect(began.verificationUri).toBe(`${broker.publicUrl}/device`)
  const browser = broker.browser()
  const typed = began.deviceCode?.toLowerCase().replace('-', ' ') ?? ''
  const entered = await browser.submit('/device', { code: typed })
  expect([entered.status, entered.to]).toEqual([303, `/consent/${began.request}`])
  const done = await browser.consent(began.request)
  expect(done.status).toBe(200)
  expect(done.to).toBeUndefined()
  expect(done.code).toMatch(/^[A-Z]{4}-[A-Z]{4}$/)
  broker.clock.now += 120_000
  expect(await project.complete(began, done.code?.toLowerCase().replace('-', '') ?? '')).toMatchObject({
    status: 200,
  })
  expect((await project.token()).status).toBe(200)
})

it('S05 shows the code again when the page is reloaded, to the browser that consented only, and leaves the callback', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const browser = broker.browser()
  browser.follow = false
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const callback = broker.provider.approve(left.to ?? '')
  const back = await browser.open(callback)
  const page = `/consent/${began.request}/done`
  expect([back.status, back.to, back.html]).toEqual([303, page, ''])
  expect(back.headers.get('referrer-policy')).toBe('no-referrer')
  const [first, second] = [await browser.open(page), await browser.open(page)]
  expect(first.code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  expect(second.code).toBe(first.code)
  // The callback a second time leads there too, and takes nothing away.
  expect([(await browser.open(callback)).to, await project.status(began)]).toEqual([page, 'consented'])

  const stranger = broker.browser()
  await stranger.open('/device')
  for (const other of [stranger, broker.browser()]) {
    const shown = await other.open(page)
    expect([shown.status, shown.code, shown.html.includes('Fake')]).toEqual([404, undefined, false])
    expect((await other.open(callback)).status).toBe(400)
  }
  expect((await project.complete(began, first.code ?? '')).status).toBe(200)
  const over = await browser.open(page)
  expect([over.status, over.code, over.html.includes('You may close this window')]).toEqual([
    200,
    undefined,
    true,
  ])
})

it('says what became of a request, as often as its page is loaded', async () => {
  const project = await broker.project()
  const began = await project.authorize({ expiresInMs: 60_000 })
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const page = `/consent/${began.request}/done`
  expect((await browser.open(page)).html).toContain('Nothing has arrived yet')
  const callback = new URL(broker.provider.approve(left.to ?? ''))
  callback.searchParams.delete('code')
  callback.searchParams.set('error', 'access_denied')
  for (const url of [callback.href, page, callback.href]) {
    const shown = await browser.open(url)
    expect([shown.status, shown.html.includes('The person said no')]).toEqual([400, true])
  }

  const late = await project.authorize({ expiresInMs: 60_000 })
  await browser.submit(`/consent/${late.request}`, { action: 'continue' })
  broker.clock.now += 60_000
  const shown = await browser.open(`/consent/${late.request}/done`)
  expect([shown.status, shown.html.includes('in time')]).toEqual([404, true])
})

it('S29 counts the refused calls of one who asks without end, after the first 60 of a minute', async () => {
  const project = await broker.project()
  const ask = () =>
    project.call('POST', `/v1/connect/requests/ask_${'a'.repeat(20)}/status`, { verifier: 'x' })
  const answers = await Promise.all(Array.from({ length: 70 }, ask))
  expect(answers.every(({ status }) => status === 403)).toBe(true)
  expect(await project.consentEvents()).toHaveLength(60)
}, 60_000)

it('installs an app in a tenant, for no subject', async () => {
  const project = await broker.project()
  const began = await project.install({ tenantId: 't1' })
  const done = await broker.browser().consent(began.request)
  expect(broker.provider.starts.at(-1)).toMatchObject({ kind: 'installation', tenantId: 't1' })
  expect((await project.complete(began, done.code ?? '')).status).toBe(400)
  expect((await project.complete(began, done.code ?? '', 'none')).status).toBe(200)
  expect(await broker.grants()).toContainEqual(
    expect.objectContaining({
      kind: 'installation',
      connector_id: project.connectorId,
      user_id: '',
      installation_id: 'tenant-of-ada',
    }),
  )
})

it('asks for what the subject has granted before as well, as far as the ceiling still allows it', async () => {
  const project = await broker.project({ scopes: ['read', 'write', 'admin'] })
  const first = await project.authorize({ scopes: ['admin', 'write'] })
  const done = await broker.browser().consent(first.request)
  await project.complete(first, done.code ?? '')
  await broker.manage('POST', `${project.connectorPath}/projects/${project.name}`, {
    environments: ['development'],
    scopes: ['read', 'write'],
  })
  const second = await project.authorize({ scopes: ['read'] })
  expect((await broker.row(second.request)).ask.scopes).toEqual(['read', 'write'])
  const other = await project.authorize({ scopes: ['read'], subject: { type: 'user', id: 'u2' } })
  expect((await broker.row(other.request)).ask.scopes).toEqual(['read'])
})

it('tells the app that the person cancelled, and keeps nothing', async () => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl })
  const shown = await broker.browser().submit(`/consent/${began.request}`, { action: 'cancel' })
  expect(answerIn(shown.to)).toEqual({ tab: '2', request: began.request, error: 'access_denied' })
  expect(await project.status(began)).toBe('denied')
  expect((await broker.browser().open(`/consent/${began.request}`)).status).toBe(404)
})

it.each([
  ['error=access_denied', 'denied', 'access_denied'],
  ['error=access_denied&code=x', 'error', 'provider_refused'],
  ['code=unknown', 'error', 'provider_refused'],
  ['', 'error', 'provider_refused'],
])('S06 keeps nothing of an answer with "%s"', async (query, status, error) => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl })
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const callback = new URL(broker.provider.approve(left.to ?? ''))
  callback.searchParams.delete('code')
  for (const [name, value] of new URLSearchParams(query)) callback.searchParams.set(name, value)
  const back = await browser.open(callback.href)
  expect(answerIn(back.to)).toEqual({ tab: '2', request: began.request, error })
  expect(await project.status(began)).toBe(status)
  expect(await broker.row(began.request)).toMatchObject({ credential: null, code_hash: null, pending: null })
  expect((await project.complete(began, 'x')).status).toBe(409)
})

it('ends a request whose provider is at fault, and says so', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  broker.provider.duringRedemption = async () => {
    throw new DOMException('late', 'TimeoutError')
  }
  const back = await broker.browser().consent(began.request)
  broker.provider.duringRedemption = async () => {}
  expect(back.status).toBe(502)
  expect(await project.status(began)).toBe('error')
})

it('activates at once where the attachment binds on consent, unless the request asks for more', async () => {
  const project = await broker.project({ dangerouslyBindOnConsent: true })
  const began = await project.authorize({ returnUrl, binding: undefined })
  const back = await broker.browser().consent(began.request)
  expect(answerIn(back.to)).toEqual({ tab: '2', request: began.request })
  expect((await project.token()).status).toBe(200)
  expect(await project.consentEvents()).toEqual([
    'consent_begun',
    'consent_intended',
    'consent_given',
    'consent_completed',
  ])

  const careful = await project.authorize({ subject: { type: 'user', id: 'u2' } })
  const done = await broker.browser().consent(careful.request)
  expect(done.code).toMatch(/-/)
  expect((await project.token('u2')).status).not.toBe(200)
})

it('lets one of two completions at once win', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const done = await broker.browser().consent(began.request)
  const answers = await Promise.all([1, 2, 3].map(() => project.complete(began, done.code ?? '')))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409])
})

it('makes nothing usable when the connector was detached between consent and completion, and ends what was granted', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const done = await broker.browser().consent(began.request)
  const path = `${project.connectorPath}/projects/${project.name}`
  await broker.manage('DELETE', path)
  expect((await project.complete(began, done.code ?? '')).status).toBe(403)
  await broker.manage('POST', path, { environments: ['development'] })
  expect((await project.complete(began, done.code ?? '')).status).toBe(403)
  await sweepAndEnd()
  expect((await project.token()).status).not.toBe(200)
  expect(broker.provider.ended).toContain(`access-of-ada-${broker.provider.redeemed.at(-1)}`)
})

it('makes nothing usable for another owner than the one that began', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const done = await broker.browser().consent(began.request)
  await broker.manage('POST', `${project.connectorPath}/projects/${project.name}`, {
    environments: ['development'],
    userNamespace: 'shared',
  })
  expect((await project.complete(began, done.code ?? '')).status).not.toBe(200)
  expect((await project.token()).status).not.toBe(200)
})

it('ends what was granted to a request that was cancelled while the provider was asked', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  broker.provider.duringRedemption = async () => {
    broker.provider.duringRedemption = async () => {}
    await browser.submit(`/consent/${began.request}`, { action: 'cancel' })
  }
  const back = await browser.open(broker.provider.approve(left.to ?? ''))
  expect([back.status, back.code]).toEqual([400, undefined])
  expect(back.html).toContain('Nothing was agreed to')
  expect(await project.status(began)).toBe('denied')
  await sweepAndEnd()
  expect(broker.provider.ended).toContain(`access-of-ada-${broker.provider.redeemed.at(-1)}`)
})

it('S39 serves a grant only to the environment in which it was made', async () => {
  const project = await broker.project()
  await broker.manage('POST', `${project.connectorPath}/projects/${project.name}`, {
    environments: ['development', 'staging'],
  })
  const began = await project.authorize()
  const done = await broker.browser().consent(began.request)
  await project.complete(began, done.code ?? '')
  const issued = await broker.manage('POST', `/v1/projects/${project.name}/development-identities`, {
    environment: 'staging',
  })
  const answer = await broker.fetch(`/v1/connect/token/fake%2F${project.name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${String(issued.token)}` },
    body: JSON.stringify({ subject: { type: 'user', id: 'u1' } }),
  })
  expect(answer.status).toBe(422)
  expect((await project.token()).status).toBe(200)
})

it('ends what was granted where it came from when the connector was changed while the provider was asked', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const connector = await findConnector(broker.context.db, project.connectorId)
  if (connector === undefined) throw new Error('gone')
  broker.provider.duringRedemption = async () => {
    broker.provider.duringRedemption = async () => {}
    const { secrets } = connector
    const settings = { configuration: { apiUrl: 'https://else.test' }, secrets, version: 2 }
    await updateConnector(broker.context.db, connector, {
      settings,
      endsGrants: true,
      now: broker.clock.now,
    })
  }
  expect((await browser.open(broker.provider.approve(left.to ?? ''))).status).toBe(400)
  expect(broker.provider.ended).toContain(`access-of-ada-${broker.provider.redeemed.at(-1)}`)
  const grants = await broker.grants('ended')
  expect(grants.filter((grant) => grant.connector_id === project.connectorId)).toEqual([])
  expect(await project.status(began)).toBe('error')
})

async function sweepAndEnd(): Promise<void> {
  await createConsentWork(broker.context, { everyMs: 3_600_000 }).runOnce()
  await createGrantWork(broker.context, { everyMs: 3_600_000 }).runOnce()
}

it('moves a browser that came by another name to the address at which the provider brings it back', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const browser = broker.browser()
  const moved = await browser.open(`http://localhost:4570/consent/${began.request}`)
  expect([moved.status, moved.to]).toEqual([302, began.url])
  expect(browser.cookie).toBeUndefined()
})

it('shows a person a page where the broker itself fails', async () => {
  const { db } = broker.context
  await sql`alter table consent_requests rename to consent_requests_away`.execute(db)
  const shown = await broker.browser().open('/consent/ask_aaaaaaaaaaaaaaaaaaaa')
  await sql`alter table consent_requests_away rename to consent_requests`.execute(db)
  expect([shown.status, shown.headers.get('content-type')]).toEqual([503, 'text/html; charset=utf-8'])
  expect(shown.html).not.toContain('consent_requests')
})
