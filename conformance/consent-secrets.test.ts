import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { type LogLine, startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser, type Shown } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import {
  type Began,
  type ConsentApp,
  createConsentApp,
  parametersOf,
  postForm,
  returnedCode,
  returnUrl,
  startWebhook,
  until,
  user,
} from './support/consent.ts'
import { intrude } from './support/database.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'

// One long scenario: consents in every mode and at every stage, refreshes, a sign-in, what goes wrong. Everything that
// must stay secret is noted as it comes up, and everything that was kept, logged, said or sent is searched afterwards.
const clock = createClock()
const redirectUri = 'https://app.example/signed-in'
const verifier = 'verifier-of-the-client-of-the-sign-in-gateway'
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
let webhook: Awaited<ReturnType<typeof startWebhook>>
let app: ConsentApp

/** By name; each with the answers that are there to give it. */
const secrets: Record<string, string> = {}
const said: { readonly what: string; readonly text: string }[] = []
const identities: string[] = []

const say = (what: string, text: string) => said.push({ what, text })
function sayPage(what: string, { html, headers }: Shown) {
  // The cookie is there to be given, and so is the place to go.
  const rest = [...headers].filter(([name]) => name !== 'set-cookie' && name !== 'location')
  say(what, `${JSON.stringify(rest)}${html}`)
}

function note(name: string, began: Began): Began {
  secrets[`${name} verifier`] = began.verifier
  if (began.deviceCode !== undefined) secrets[`${name} device code`] = began.deviceCode
  return began
}

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  webhook = await startWebhook()
  broker = await startBroker({ clock, revocationEveryMs: 50 })
  app = await createConsentApp(broker, issuer, provider, {
    name: 'app',
    attachment: { redirectUris: [redirectUri] },
  })
  secrets['client secret'] = provider.clientSecret
  for (let index = 0; index < 3; index += 1) identities.push(await app.identity())
  await consents()
  await signIn()
  await refreshes()
  await mistakes()
  for (const path of [
    '/v1/audit/events?limit=500',
    '/v1/audit/export',
    '/metrics',
    `/v1/connect/connectors/${encodeURIComponent(app.connector)}`,
    `/v1/connect/connectors/${encodeURIComponent(app.connector)}/grants`,
    `/v1/connect/connectors/${encodeURIComponent(app.connector)}/projects/${app.project}`,
  ])
    say(path, (await broker.call('GET', path, { token: broker.owner })).text)
  // The access token that is answered to the workload; and all that the provider ever gave out.
  for (const [index, token] of provider.given.entries()) secrets[`given by the provider, ${index}`] = token
  for (const [index, { form }] of provider.requests.entries()) {
    const pkce = form.get('code_verifier')
    if (pkce !== null) secrets[`PKCE verifier, ${index}`] = pkce
  }
  for (const [index, url] of provider.visits.entries()) {
    secrets[`state, ${index}`] = url.searchParams.get('state') ?? ''
    const nonce = url.searchParams.get('nonce')
    if (nonce !== null) secrets[`nonce, ${index}`] = nonce
  }
})
afterAll(async () => {
  await broker.close()
  await webhook.close()
  await provider.close()
  await issuer.close()
})

async function consents(): Promise<void> {
  // At rest in the middle of it: sent to the provider, and not back yet.
  const waiting = note('waiting', await app.begin('waiting'))
  const waitingBrowser = createBrowser(broker)
  provider.agree(await waitingBrowser.leave(waiting.url), 'waiting')
  secrets['waiting browser'] = [...waitingBrowser.cookies.values()].join()

  // Back, and nobody has completed it.
  const consented = note('consented', await app.begin('consented', { returnUrl, webhook: webhook.url }))
  const browser = createBrowser(broker)
  const back = await browser.open(provider.agree(await browser.leave(consented.url), 'consented'))
  secrets['consented code'] = returnedCode(back.to)
  const status = await app.call('POST', `/v1/connect/requests/${consented.request}/status`, {
    verifier: consented.verifier,
  })
  say('status', status.text)

  // By device, completed.
  const device = note('device', await app.begin('device', { deviceCode: true }))
  const typing = createBrowser(broker)
  const entered = await typing.submit('/device', { code: device.deviceCode ?? '' })
  sayPage('device', await typing.open('/device'))
  sayPage('consent page', await typing.open(entered.to ?? ''))
  const done = await typing.open(provider.agree(await typing.leave(entered.to ?? ''), 'device'))
  secrets['completion code'] = done.code ?? ''
  say('complete', (await app.complete(device, done.code ?? '', user('device'))).text)

  // Denied, and failed at the provider, whose words hold what they should not.
  const denied = note('denied', await app.begin('denied', {}))
  const no = createBrowser(broker)
  const at = await no.leave(denied.url)
  const words = { code: undefined, error: 'access_denied', error_description: 'said-by-the-provider' }
  sayPage('denied', await no.open(provider.agree(at, 'denied', words)))
  const failed = note('failed', await app.begin('failed', {}))
  const unlucky = createBrowser(broker)
  provider.next.redemption = (response, answer) =>
    response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  sayPage('failed', await unlucky.open(provider.agree(await unlucky.leave(failed.url), 'failed')))
  await until('the webhook was told', () => webhook.received.length > 0)
}

async function signIn(): Promise<void> {
  const { createHash } = await import('node:crypto')
  secrets['gateway verifier'] = verifier
  secrets['gateway state'] = 'state-of-the-client-of-the-gateway'
  const query = new URLSearchParams({
    client_id: app.connector,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid email',
    state: secrets['gateway state'] ?? '',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const browser = createBrowser(broker)
  const begun = await browser.open(`/oauth/authorize?${query}`)
  const back = await browser.open(provider.agree(await browser.leave(begun.to ?? ''), 'signer'))
  const { code = '' } = parametersOf(back.to)
  secrets['gateway code'] = code.split('.')[1] ?? ''
  const identity = await app.identity()
  identities.push(identity)
  const form = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    client_id: app.connector,
    client_secret: identity,
  }
  say(
    'wrong redemption',
    (await postForm(broker, '/oauth/token', { ...form, code_verifier: 'w'.repeat(43) })).text,
  )
  const redeemed = await postForm(broker, '/oauth/token', form)
  expect(redeemed.status).toBe(200)
  secrets['gateway access token'] = String(redeemed.body.access_token)
  secrets['gateway ID token'] = String(redeemed.body.id_token)
  const authorization = `Bearer ${secrets['gateway access token']}`
  const userinfo = await broker.call('GET', '/oauth/userinfo', { headers: { authorization } })
  say('userinfo', userinfo.text)
  say('redeemed twice', (await postForm(broker, '/oauth/token', form)).text)
}

async function refreshes(): Promise<void> {
  await app.connect('ann', createBrowser(broker))
  await app.connect('ben', createBrowser(broker))
  expect((await app.token('ann')).status).toBe(200)
  clock.advance(3_600_000)
  provider.next.refresh = (response, answer) => {
    // The whole of it arrives, and yet it is a fault.
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)} and more`)
  }
  // The broker's own work may have met the fault before this caller, who then has a token.
  const after = await app.token('ann')
  say('a refresh that failed', after.text.replace(String(after.body.token), ''))
  expect(provider.next.refresh).toBeUndefined()
  expect((await app.token('ann')).status).toBe(200)
  provider.next.refuseRefresh = 'invalid_grant'
  say('a refresh that was refused', (await app.token('ben')).text)
  provider.next.refuseRefresh = undefined
}

/** Secrets in the wrong place. */
async function mistakes(): Promise<void> {
  const { 'consented verifier': own = '', 'consented code': code = '' } = secrets
  const browser = createBrowser(broker)
  const state = provider.visits[0]?.searchParams.get('state') ?? ''
  sayPage(
    'stray callback',
    await browser.open(`/v1/connect/callback/${app.connectorId}?state=${state}&code=${code}`),
  )
  sayPage('stray page', await browser.open(`/consent/${own}`))
  sayPage('stray device code', await browser.submit('/device', { code }))
  for (const body of [
    { verifier: own, code, subject: { type: code } },
    { verifier: [own], code },
    { verifier: own, code, subject: { type: 'user', id: 'x', issuer: [own] } },
  ])
    say('complete, wrongly', (await app.call('POST', `/v1/connect/requests/${own}/complete`, body)).text)
  say(
    'oauth, wrongly',
    (await postForm(broker, '/oauth/token', { grant_type: code, code_verifier: own })).text,
  )
  const query = new URLSearchParams({ client_id: own, redirect_uri: code, state })
  sayPage('authorize, wrongly', await browser.open(`/oauth/authorize?${query}`))
}

/** Names of the secrets that a text holds, in the clear or in an easy disguise. */
function found(text: string, names: readonly string[] = Object.keys(secrets)): string[] {
  return names.filter((name) => {
    const secret = secrets[name] ?? ''
    const forms = [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    ]
    return secret === '' || forms.some((form) => text.includes(form))
  })
}

describe('S21 the identity of a workload stays with the broker', () => {
  it('S21 it is in nothing that a provider or a webhook received, neither whole nor in parts', () => {
    expect(provider.requests.map(({ path }) => path)).toEqual(expect.arrayContaining(['/token', '/userinfo']))
    const refreshed = provider.requests.filter(({ form }) => form.get('grant_type') === 'refresh_token')
    expect(refreshed.length).toBeGreaterThan(2)
    const sent = JSON.stringify([provider.requests, provider.visits.map(String), webhook.received])
    const parts = identities.flatMap((identity) => [identity, ...identity.split('.').slice(1)])
    expect(parts.length).toBeGreaterThan(9)
    for (const part of parts) expect(sent).not.toContain(part)
    // Nor what it says: who runs the workload is nobody's business out there.
    expect(sent).not.toContain('workload:')
    expect(sent).not.toContain(issuer.url)
  })

  it('S21 the provider gets the connector’s own credential, and a person’s token only at its own endpoints', () => {
    for (const { path, headers, body } of provider.requests) {
      const { authorization = '' } = headers
      if (path === '/token') expect(authorization).toMatch(/^Basic /)
      if (path === '/userinfo') expect(provider.ownerOf(authorization.replace('Bearer ', ''))).toBeDefined()
      expect(headers.cookie).toBeUndefined()
      expect(`${body}${path}`).not.toContain('vk_')
    }
  })
})

describe('S25 what consents and grants leave in the database', () => {
  let rows: Record<string, readonly Readonly<Record<string, unknown>>[]>

  beforeAll(async () => {
    rows = await intrude(broker, async ({ query }) => {
      const tables = await query(
        "select table_name from information_schema.tables where table_schema = 'public'",
      )
      const all: typeof rows = {}
      for (const { table_name: table } of tables) all[String(table)] = await query(`select * from "${table}"`)
      return all
    })
  })

  it('S25 the scenario has left every stage behind', () => {
    const statuses = new Set(rows.consent_requests?.map(({ status }) => status))
    expect([...statuses].sort()).toEqual(['active', 'denied', 'error', 'expired'].sort())
    const states = new Set(rows.grants?.map(({ state }) => state))
    expect(states).toContain('active')
    expect(states).toContain('consent_needed')
    expect(Object.keys(secrets).length).toBeGreaterThan(40)
    expect(found('nothing')).toEqual([])
  })

  it('S25 no row of any table holds a token, verifier, code, state, cookie or client secret', () => {
    for (const [table, all] of Object.entries(rows)) {
      const held = found(JSON.stringify(all))
      // The client of the gateway gets its own `state` back, which protects its browser and nobody's token.
      expect([table, held.filter((name) => name !== 'gateway state')]).toEqual([table, []])
    }
  })

  it('S25 no file of the database holds one, in what was deleted or overwritten either', async () => {
    await broker.stop()
    try {
      const names = await readdir(broker.folder, { recursive: true, withFileTypes: true })
      const files = names.filter((entry) => entry.isFile())
      expect(files.length).toBeGreaterThan(100)
      for (const file of files) {
        const held = found((await readFile(join(file.parentPath, file.name))).toString('latin1'))
        expect([file.name, held.filter((name) => name !== 'gateway state')]).toEqual([file.name, []])
      }
    } finally {
      await broker.start()
    }
  })
})

describe('S26 what is logged, recorded and said about consents and grants', () => {
  it('S26 no log line holds a secret', () => {
    const leaks = broker.logs.flatMap((line: LogLine) =>
      found(JSON.stringify(line)).map((name) => `${name} in ${line.message}`),
    )
    expect(broker.logs.length).toBeGreaterThan(50)
    expect(leaks).toEqual([])
  })

  it('S26 no page, error, status, audit event, metric or list of grants holds one', () => {
    expect(said.length).toBeGreaterThan(20)
    const trail = said.find(({ what }) => what === '/v1/audit/export')?.text ?? ''
    for (const kind of [
      'consent_begun',
      'consent_given',
      'consent_completed',
      'grant_refreshed',
      'grant_lost',
    ])
      expect(trail).toContain(kind)
    for (const { what, text } of said) {
      // A page of ours carries the token of its own form, which is made of the cookie and does not tell it.
      expect([what, found(text)]).toEqual([what, []])
      expect(text).not.toContain('said-by-the-provider')
    }
  })

  it('S26 identities are in none of it either', () => {
    const all = JSON.stringify([broker.logs, said])
    for (const identity of identities) expect(all).not.toContain(identity.split('.')[2])
  })

  it('S26 answers that give a code or verifier forbid keeping them, and tell no other site where they came from', async () => {
    const browser = createBrowser(broker)
    const answer = await app.call('POST', `/v1/connect/authorize/${encodeURIComponent(app.connector)}`, {
      subject: user('lea'),
      binding: 'complete',
      returnUrl,
    })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const page = await browser.open(String(answer.body.url))
    const left = await browser.submit(String(answer.body.url), { action: 'continue' })
    const back = await browser.open(provider.agree(left.to ?? '', 'lea'))
    for (const { headers } of [page, left, back]) {
      expect(headers.get('cache-control')).toContain('no-store')
      expect(headers.get('referrer-policy')).toMatch(/^(?:no-referrer|same-origin)$/)
    }
  })
})
