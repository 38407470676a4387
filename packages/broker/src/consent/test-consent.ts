// A broker whose provider asks for consent, people with browsers, and a webhook; not part of the package.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ConsentDriver, ConsentStart, Driver, GrantCredential } from '@valetkey/connectors'
import type { AuthorizeResponse } from '@valetkey/protocol'
import type { BrokerContext } from '../context.ts'
import { assembleBroker } from '../create-broker.ts'
import { createProvider } from '../issue/test-broker.ts'
import { storeAccessToken } from '../manage/access-tokens.ts'
import { generateKey } from '../secrets/key-ring.ts'
import type { ConsentRequestRow, GrantRow } from '../store/schema.ts'
import { testDatabaseFolder } from '../store/test-database.ts'

/** A provider that remembers what it was asked, and redeems the codes that it gave. */
export interface ConsentProvider {
  readonly driver: Driver
  readonly starts: ConsentStart[]
  /** Codes that were redeemed. */
  readonly redeemed: string[]
  /** Access tokens whose grants were ended. */
  readonly ended: string[]
  /** Runs while a code is redeemed. */
  duringRedemption: () => Promise<void>
  /** Clicks through the provider's pages as somebody: where their browser is sent. */
  approve(url: string, person?: string): string
}

export function createConsentProvider(now: () => number): ConsentProvider {
  const codes = new Map<string, { readonly person: string; readonly scopes: readonly string[] }>()
  const consent: ConsentDriver = {
    places: ['apiUrl'],
    behaviour: () => ({
      kinds: ['user', 'installation'],
      refreshEndsAccessToken: false,
      endsGrants: true,
    }),
    scopeTitles: { read: 'See your issues' },
    defaultScopes: () => ['read'],
    start: async (_settings, start) => {
      provider.starts.push(start)
      const query = new URLSearchParams({ state: start.state, redirect_uri: start.redirectUri })
      return { url: `https://provider.test/authorize?${query}`, pending: { kept: start.state.slice(0, 8) } }
    },
    finish: async (_settings, { url, start, pending }) => {
      if (pending.kept !== start.state.slice(0, 8)) throw new Error('not the pending of this start')
      const [code, error] = [url.searchParams.get('code'), url.searchParams.get('error')]
      if (code !== null && error !== null) {
        return { outcome: 'refused', reason: 'provider_refused', message: 'Both an error and a code' }
      }
      if (error !== null) return { outcome: 'refused', reason: 'denied', message: 'The person said no' }
      const known = code === null ? undefined : codes.get(code)
      if (code === null || known === undefined) {
        return { outcome: 'refused', reason: 'provider_refused', message: 'No such code' }
      }
      codes.delete(code)
      provider.redeemed.push(code)
      await provider.duringRedemption()
      const credential: GrantCredential = {
        accessToken: `access-of-${known.person}-${code}`,
        accessExpiresAtMs: now() + 3_600_000,
        refreshToken: `refresh-of-${known.person}`,
        granted: { scopes: known.scopes, resources: [], authorizationDetails: [] },
      }
      const { kind } = start
      return {
        outcome: 'granted',
        credential,
        identity: {
          ...(known.person === 'nobody' ? {} : { externalSubject: known.person }),
          ...(kind === 'installation' ? { installationId: `tenant-of-${known.person}` } : {}),
        },
      }
    },
    issue: (_settings, { credential }) => ({
      outcome: 'minted',
      token: credential.accessToken ?? '',
      expiresAtMs: credential.accessExpiresAtMs,
      granted: credential.granted,
      enforcedBy: 'none',
      origins: ['https://api.provider.test'],
    }),
    endGrant: async (_settings, credential) => {
      provider.ended.push(credential.accessToken ?? '')
      return 'revoked'
    },
  }
  let approvals = 0
  const provider: ConsentProvider = {
    driver: { ...createProvider(now).driver, consent },
    starts: [],
    redeemed: [],
    ended: [],
    duringRedemption: async () => {},
    approve(text, person = 'ada') {
      const { searchParams } = new URL(text)
      const state = searchParams.get('state') ?? ''
      const code = `code-${++approvals}`
      const start = provider.starts.find((each) => each.state === state)
      codes.set(code, { person, scopes: start?.scopes ?? [] })
      return `${searchParams.get('redirect_uri')}?${new URLSearchParams({ code, state })}`
    },
  }
  return provider
}

/** What a browser was shown, or where it was sent. */
export interface Shown {
  readonly status: number
  readonly html: string
  readonly headers: Headers
  /** Where a redirect or a leaving page leads. */
  readonly to: string | undefined
  /** What the done page shows to be typed back. */
  readonly code: string | undefined
}

/** A browser with a cookie jar, which knows the broker's origin only. */
export interface TestBrowser {
  cookie: string | undefined
  /** Whether it goes on by itself to the page that says what came of a request. */
  follow: boolean
  open(path: string): Promise<Shown>
  /** Opens a page and sends its form; `headers` in place of what a browser would say. */
  submit(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Shown>
  /** Opens the page of a request, continues, and agrees at the provider: what comes of it. */
  consent(request: string, person?: string): Promise<Shown>
}

export interface ConsentBroker {
  readonly provider: ConsentProvider
  readonly context: BrokerContext
  readonly clock: { now: number }
  readonly publicUrl: string
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>
  browser(): TestBrowser
  /** A project with a connector of its own, attached for development. */
  project(attachment?: object): Promise<ConsentProject>
  manage(method: string, path: string, body?: object): Promise<Record<string, unknown>>
  row(request: string): Promise<ConsentRequestRow>
  grants(state?: GrantRow['state']): Promise<GrantRow[]>
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body: {
    readonly status?: string
    readonly token?: string
    readonly error?: { readonly code: string; readonly message: string }
  }
}

export interface ConsentProject {
  readonly name: string
  readonly uid: string
  readonly connectorId: string
  readonly connectorPath: string
  /** What its workload proves itself with. */
  readonly identity: string
  call(method: string, path: string, body?: object): Promise<Answer>
  authorize(body?: object): Promise<AuthorizeResponse>
  install(body?: object): Promise<AuthorizeResponse>
  complete(began: AuthorizeResponse, code: string, subject?: object | 'none'): Promise<Answer>
  status(began: AuthorizeResponse): Promise<string | undefined>
  /** Whether a token is answered for the user. */
  token(id?: string): Promise<Answer>
  consentEvents(): Promise<string[]>
}

/** Starts one, for development if it is http. It takes seconds: share it among the tests of a file. */
export async function startConsentBroker(
  publicUrl = 'http://127.0.0.1:4570',
  /** One database for several replicas, with their key ring. */
  shared?: { readonly databaseUrl: string; readonly keys: string; readonly provider?: ConsentProvider },
): Promise<ConsentBroker> {
  const clock = { now: Date.now() }
  const provider = shared?.provider ?? createConsentProvider(() => clock.now)
  const folder = testDatabaseFolder()
  const { broker, context: current } = assembleBroker({
    publicUrl,
    database: shared === undefined ? folder.database : { url: shared.databaseUrl },
    keys: shared?.keys ?? generateKey(clock.now).text,
    development: publicUrl.startsWith('http:'),
    drivers: [provider.driver],
    now: () => clock.now,
    revocationEveryMs: 3_600_000,
  })
  await broker.start()
  const context = current()
  if (context === undefined) throw new Error('not started')
  const { secret } = await storeAccessToken(context.db, {
    holder: { role: 'owner' },
    ephemeral: true,
    expiresAt: null,
    now: clock.now,
  })
  const fetch = async (path: string, init?: RequestInit) =>
    broker.fetch(new Request(new URL(path, publicUrl), init))
  async function send(credential: string, method: string, path: string, body?: object): Promise<Answer> {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' }
    const answer = await fetch(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: (await answer.json()) as Answer['body'] }
  }
  async function manage(method: string, path: string, body?: object) {
    const answer = await send(secret, method, path, body)
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
    return answer.body as Record<string, unknown>
  }

  function browser(): TestBrowser {
    const jar: TestBrowser = {
      cookie: undefined,
      follow: true,
      async open(path) {
        const headers = {
          'sec-fetch-mode': 'navigate',
          'sec-fetch-site': 'cross-site',
          ...(jar.cookie === undefined ? {} : { cookie: jar.cookie }),
        }
        const shown = await look(await fetch(path, { headers }))
        return jar.follow && shown.to?.startsWith('/consent/') && shown.to.endsWith('/done')
          ? jar.open(shown.to)
          : shown
      },
      async submit(path, fields, more = {}) {
        const shown = await jar.open(path)
        const token = /name="token" value="([^"]*)"/.exec(shown.html)?.[1] ?? ''
        const headers = {
          origin: new URL(publicUrl).origin,
          'sec-fetch-site': 'same-origin',
          'content-type': 'application/x-www-form-urlencoded',
          ...(jar.cookie === undefined ? {} : { cookie: jar.cookie }),
          ...more,
        }
        const body = new URLSearchParams({ token, ...fields }).toString()
        return look(await fetch(path, { method: 'POST', headers, body }))
      },
      async consent(request, person) {
        const left = await jar.submit(`/consent/${request}`, { action: 'continue' })
        return jar.open(provider.approve(left.to ?? '', person))
      },
    }
    async function look(response: Response): Promise<Shown> {
      const set = response.headers.get('set-cookie')
      if (set !== null) jar.cookie = set.split(';')[0]
      const html = await response.text()
      const refresh = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(html)?.[1]
      return {
        status: response.status,
        html,
        headers: response.headers,
        to: response.headers.get('location') ?? refresh?.replaceAll('&amp;', '&'),
        code: /class="code"[^>]*>([^<]*)</.exec(html)?.[1],
      }
    }
    return jar
  }

  let projects = 0
  async function project(attachment: object = {}): Promise<ConsentProject> {
    const name = `p${++projects}`
    const uid = `fake/${name}`
    const connectorPath = `/v1/connect/connectors/fake%2F${name}`
    await manage('POST', '/v1/projects', { name, allowDevelopmentIdentities: true })
    const connector = await manage('POST', '/v1/connect/connectors', { service: 'fake', name, data: {} })
    await manage('POST', `${connectorPath}/projects/${name}`, {
      environments: ['development'],
      ...attachment,
    })
    const issued = await manage('POST', `/v1/projects/${name}/development-identities`, {
      environment: 'development',
    })
    const identity = String(issued.token)
    const call = (method: string, path: string, body?: object) => send(identity, method, path, body)
    async function begin(kind: string, body: object) {
      const answer = await call('POST', `/v1/connect/${kind}/fake%2F${name}`, body)
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
      return answer.body as unknown as AuthorizeResponse
    }
    return {
      name,
      uid,
      connectorId: String(connector.id),
      connectorPath,
      identity,
      call,
      authorize: (body = {}) =>
        begin('authorize', { subject: { type: 'user', id: 'u1' }, binding: 'complete', ...body }),
      install: (body = {}) => begin('install', { binding: 'complete', ...body }),
      complete: (began, code, subject = { type: 'user', id: 'u1' }) =>
        call('POST', `/v1/connect/requests/${began.request}/complete`, {
          verifier: began.verifier,
          code,
          ...(subject === 'none' ? {} : { subject }),
        }),
      status: async (began) =>
        (await call('POST', `/v1/connect/requests/${began.request}/status`, { verifier: began.verifier }))
          .body.status,
      token: (id = 'u1') =>
        call('POST', `/v1/connect/token/fake%2F${name}`, { subject: { type: 'user', id } }),
      async consentEvents() {
        const { events } = (await manage('GET', `/v1/audit/events?limit=200&project=${name}`)) as {
          events: { kind: string; code?: string }[]
        }
        return events
          .filter(({ kind }) => kind.startsWith('consent'))
          .map(({ kind, code }) => (code === undefined ? kind : `${kind} ${code}`))
          .reverse()
      },
    }
  }

  return {
    provider,
    context,
    clock,
    publicUrl,
    fetch,
    browser,
    project,
    manage,
    row: (request) =>
      context.db
        .selectFrom('consent_requests')
        .selectAll()
        .where('id', '=', request)
        .executeTakeFirstOrThrow(),
    grants: (state = 'active') =>
      context.db.selectFrom('grants').selectAll().where('state', '=', state).execute(),
    close: () => broker.close().finally(folder.remove),
  }
}

/** What a webhook received. */
export interface Received {
  readonly authorization: string
  readonly body: string
}

/** A webhook on loopback that answers with the next of `answers`, then 204. */
export async function startWebhook(): Promise<{
  readonly url: string
  readonly received: Received[]
  readonly answers: { readonly status: number; readonly location?: string }[]
  close(): Promise<void>
}> {
  const received: Received[] = []
  const answers: { status: number; location?: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ authorization: request.headers.authorization ?? '', body })
      const { status, location } = answers.shift() ?? { status: 204 }
      response.writeHead(status, location === undefined ? {} : { location }).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=1`,
    received,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
