// A broker with a provider that names people, and apps that sign them in; not part of the package.
import { createHash } from 'node:crypto'
import type { ConsentDriver, GrantIdentity } from '@valetkey/connectors'
import { answerCallback } from '../consent/callback.ts'
import { findOpenRequest, leave } from '../consent/leave.ts'
import type { BrokerContext } from '../context.ts'
import { createApp } from '../http/app.ts'
import { startTestBroker, type TestBroker, type TestProject } from '../issue/test-broker.ts'
import { silentLog } from '../log.ts'
import { createTracing } from '../tracing.ts'

export const verifier: string = 'v'.repeat(43)
export const challenge: string = createHash('sha256').update(verifier).digest('base64url')

/** An app: a project that signs people in with a connector of its own. */
export interface TestApp {
  readonly project: TestProject
  /** The connector's UID, which is the app's `client_id`. */
  readonly clientId: string
  readonly identity: string
  readonly redirectUri: string
}

export interface TestGateway {
  readonly broker: TestBroker
  readonly context: BrokerContext
  /** Milliseconds since the epoch, as the broker's clock has it. */
  clock(): number
  /** Whom the provider names from now on. */
  person: GrantIdentity
  /** Credentials that the provider was told to end. */
  readonly ended: string[]
  app(ceiling?: object): Promise<TestApp>
  get(path: string, headers?: Record<string, string>): Promise<Response>
  post(path: string, form: Form, headers?: Record<string, string>): Promise<Response>
  /** Opens `/oauth/authorize` as an app would, with some parameters changed or (as undefined) left out. */
  authorize(app: TestApp, changes?: Changes): Promise<Response>
  /** Signs a person in up to the redirect, and returns what the app's URL was called with. */
  signIn(app: TestApp, changes?: Changes): Promise<URLSearchParams>
  /** Redeems a code as the app would. */
  redeem(app: TestApp, code: string, changes?: Changes, headers?: Record<string, string>): Promise<Answer>
  /** Signs in and redeems: what the app ends up with. */
  tokens(app: TestApp, changes?: Changes): Promise<Tokens>
  close(): Promise<void>
}

type Form = Readonly<Record<string, string | undefined>> | readonly (readonly [string, string])[]
type Changes = Readonly<Record<string, string | undefined>>

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Readonly<Record<string, unknown>> & { readonly error?: string }
}

export interface Tokens {
  readonly access_token: string
  readonly id_token: string
}

export const ada: GrantIdentity = {
  externalSubject: 'provider-user-1',
  claims: {
    email: 'ada@example.com',
    emailVerified: true,
    name: 'Ada',
    picture: 'https://provider.test/ada.png',
  },
}

function consentOf(current: () => GrantIdentity, ended: string[], now: () => number): ConsentDriver {
  let grants = 0
  return {
    places: ['apiUrl'],
    behaviour: () => ({ kinds: ['user'], refreshEndsAccessToken: false, endsGrants: true }),
    defaultScopes: () => ['read'],
    start: async (_settings, { state }) => ({
      url: `https://provider.test/authorize?state=${state}`,
      pending: {},
    }),
    finish: async (_settings, { url, start }) => {
      if (url.searchParams.has('error')) return { outcome: 'refused', reason: 'denied', message: 'no' }
      return {
        outcome: 'granted',
        credential: {
          accessToken: `user-token-${++grants}`,
          accessExpiresAtMs: now() + 3_600_000,
          granted: { scopes: start.scopes, resources: [], authorizationDetails: [] },
        },
        identity: current(),
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
      ended.push(credential.accessToken ?? '')
      return 'revoked'
    },
  }
}

/** Parameters of a query or form; what is undefined is left out. */
function query(pairs: readonly (readonly [string, string | undefined])[]): URLSearchParams {
  const made = new URLSearchParams()
  for (const [name, value] of pairs) if (value !== undefined) made.append(name, value)
  return made
}

const isList = (form: Form): form is readonly (readonly [string, string])[] => Array.isArray(form)

/** Starts one. It takes seconds: share it among the tests of a file. */
export async function startTestGateway(): Promise<TestGateway> {
  const ended: string[] = []
  const holder: { person: GrantIdentity } = { person: ada }
  const broker = await startTestBroker({ consent: (now) => consentOf(() => holder.person, ended, now) })
  const { context } = broker
  const http = createApp({
    context: () => context,
    log: silentLog,
    development: true,
    publicUrl: context.publicUrl,
    tracing: createTracing(undefined),
  })

  const get = async (path: string, headers = {}) =>
    http.fetch(new Request(`${context.publicUrl}${path}`, { headers }))
  const post = async (path: string, form: Form, headers = {}) => {
    const pairs: readonly (readonly [string, string | undefined])[] = isList(form)
      ? form
      : Object.entries(form)
    const body = query(pairs)
    return http.fetch(new Request(`${context.publicUrl}${path}`, { method: 'POST', body, headers }))
  }
  const authorize = (app: TestApp, changes: Changes = {}) => {
    const parameters = {
      client_id: app.clientId,
      redirect_uri: app.redirectUri,
      response_type: 'code',
      state: 'state of the app',
      nonce: 'n-1',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...changes,
    }
    return get(`/oauth/authorize?${query(Object.entries(parameters))}`)
  }

  async function signIn(app: TestApp, changes: Changes = {}): Promise<URLSearchParams> {
    const answer = await authorize(app, changes)
    const page = new URL(answer.headers.get('location') ?? '')
    const open = await findOpenRequest(context, page.pathname.replace('/consent/', ''))
    if (open === undefined) throw new Error(`No consent page: ${page.href}`)
    const left = await leave(context, open, { secret: 'browser', requestId: 'req' })
    if (left.show !== 'away') throw new Error('The provider was not reached')
    const back = await answerCallback(context, {
      requestId: 'req',
      connectorId: open.connector.id,
      search: `${new URL(left.url).search}&code=provider-code`,
      browser: 'browser',
    })
    if (back.show !== 'away') throw new Error('The app was not reached')
    return new URL(back.url).searchParams
  }

  async function redeem(app: TestApp, code: string, changes: Changes = {}, headers = {}): Promise<Answer> {
    const answer = await post(
      '/oauth/token',
      {
        grant_type: 'authorization_code',
        code,
        redirect_uri: app.redirectUri,
        code_verifier: verifier,
        client_id: app.clientId,
        client_secret: app.identity,
        ...changes,
      },
      headers,
    )
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] }
  }

  let apps = 0
  return {
    broker,
    context,
    clock: () => broker.clock.now,
    get person() {
      return holder.person
    },
    set person(person) {
      holder.person = person
    },
    ended,
    async app(ceiling = {}) {
      const redirectUri = `https://app-${++apps}.example/callback`
      const project = await broker.project({ redirectUris: [redirectUri], ...ceiling })
      const issued = await broker.manage('POST', `/v1/projects/${project.name}/development-identities`, {
        environment: 'development',
      })
      return { project, clientId: `fake/${project.name}`, identity: String(issued.token), redirectUri }
    },
    get,
    post,
    authorize,
    signIn,
    redeem,
    async tokens(app, changes) {
      const code = (await signIn(app, changes)).get('code') ?? ''
      const { status, body } = await redeem(app, code)
      if (status !== 200) throw new Error(`The code was refused: ${JSON.stringify(body)}`)
      return { access_token: String(body.access_token), id_token: String(body.id_token) }
    },
    close: () => broker.close(),
  }
}
