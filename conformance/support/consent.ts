import { type Client, createClient } from '@valetkey/sdk'
import { type AuthorizationServer, clientId } from './authorization-server.ts'
import { type Answer, readAnswer, type TestBroker } from './broker.ts'
import type { TestBrowser } from './browser.ts'
import { startLoopbackServer } from './http.ts'
import type { TestIssuer } from './issuer.ts'
import { attach, createProject } from './workspace.ts'

/** What a consent that began gives the app. */
export interface Began {
  readonly request: string
  readonly verifier: string
  readonly url: string
  readonly deviceCode?: string
}

/** A project that users can connect: its workload's calls, over plain HTTP and by the SDK. */
export interface ConsentApp {
  readonly project: string
  readonly projectId: string
  /** UID of its connector. */
  readonly connector: string
  readonly connectorId: string
  /** The SDK, as this project's workload. */
  readonly client: Client
  identity(): Promise<string>
  call(method: string, path: string, body?: unknown): Promise<Answer>
  /** Begins a consent for a user; it must be completed. */
  begin(user: string, how?: Readonly<Record<string, unknown>>): Promise<Began>
  /** `subject` null: leaves it out. */
  complete(began: Pick<Began, 'request' | 'verifier'>, code: string, subject: object | null): Promise<Answer>
  status(began: Began): Promise<unknown>
  token(user: string, more?: object): Promise<Answer>
  /** Has a user consent with a browser of their own, and completes that. `person`: who they are at the provider. */
  connect(user: string, browser: TestBrowser, person?: string): Promise<Began>
}

/** A subject. */
export const user = (id: string): { readonly type: 'user'; readonly id: string } => ({ type: 'user', id })

/** Parameters of an address, by name. */
export function parametersOf(url: string | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(new URL(url ?? '').searchParams)
}

/** The code that a browser brought back to the app. */
export function returnedCode(to: string | undefined): string {
  const { code } = parametersOf(to)
  if (code === undefined) throw new Error('The browser brought no code back')
  return code
}

/** What an operator enters for a connector to `server`. */
export function connectorData(server: AuthorizationServer): Readonly<Record<string, unknown>> {
  return {
    serverUrl: server.url,
    clientId,
    clientSecret: server.clientSecret,
    userAuthorization: { enabled: true, scopes: ['read'] },
    origins: ['https://api.example'],
  }
}

/** The return URL of requests that name none. */
export const returnUrl = 'https://app.example/connected?tab=2'

/** Creates a project with a connector of its own to `server`, attached for production. */
export async function createConsentApp(
  broker: TestBroker,
  issuer: TestIssuer,
  server: AuthorizationServer,
  options: {
    readonly name: string
    readonly attachment?: Readonly<Record<string, unknown>>
    /** UID of a connector that is there already. */
    readonly connector?: string
  },
): Promise<ConsentApp> {
  const { name } = options
  const project = await createProject(broker, issuer, name)
  if (options.connector === undefined) {
    const data = connectorData(server)
    await broker.manage('POST', '/v1/connect/connectors', { service: 'oauth', name, data })
  }
  const connector = options.connector ?? `oauth/${name}`
  const segment = encodeURIComponent(connector)
  await attach(broker, connector, name, { subjects: ['user'], ...options.attachment })
  const { id } = await broker.manage('GET', `/v1/connect/connectors/${segment}`)
  const call: ConsentApp['call'] = async (method, path, body) =>
    broker.call(method, path, { token: await project.identity(), body })
  const app: ConsentApp = {
    project: name,
    projectId: project.id,
    connector,
    connectorId: String(id),
    client: createClient({
      url: broker.url,
      fetch: (input, init) => broker.fetch(new Request(input, init)),
      identity: () => project.identity(),
      now: broker.clock.now,
    }),
    identity: project.identity,
    call,
    async begin(id, how = { returnUrl }) {
      const answer = await call('POST', `/v1/connect/authorize/${segment}`, {
        subject: user(id),
        binding: 'complete',
        ...how,
      })
      if (answer.status !== 200) throw new Error(`authorize answered ${answer.status}: ${answer.text}`)
      return answer.body as unknown as Began
    },
    complete: ({ request, verifier }, code, subject) =>
      call('POST', `/v1/connect/requests/${request}/complete`, {
        verifier,
        code,
        ...(subject === null ? {} : { subject }),
      }),
    status: async ({ request, verifier }) =>
      (await call('POST', `/v1/connect/requests/${request}/status`, { verifier })).body.status,
    token: (id, more = {}) => call('POST', `/v1/connect/token/${segment}`, { subject: user(id), ...more }),
    async connect(id, browser, person = id) {
      const began = await app.begin(id)
      const back = await browser.open(server.agree(await browser.leave(began.url), person))
      const completed = await app.complete(began, returnedCode(back.to), user(id))
      if (completed.status !== 200)
        throw new Error(`complete answered ${completed.status}: ${completed.text}`)
      return began
    },
  }
  return app
}

/** What a webhook received. */
export interface Received {
  readonly authorization: string
  readonly body: string
  readonly url: string
}

/** Starts a webhook on loopback. */
export async function startWebhook(): Promise<{
  readonly url: string
  readonly received: Received[]
  readonly next: { redirectTo?: string }
  close(): Promise<void>
}> {
  const received: Received[] = []
  const next: { redirectTo?: string } = {}
  const server = await startLoopbackServer((request, response, body) => {
    received.push({ authorization: request.headers.authorization ?? '', body, url: request.url ?? '' })
    const { redirectTo } = next
    response.writeHead(
      redirectTo === undefined ? 204 : 307,
      redirectTo === undefined ? {} : { location: redirectTo },
    )
    response.end()
  })
  return { url: `${server.url}/hook`, received, next, close: server.close }
}

/** Posts a form, as OAuth's endpoints take it. */
export async function postForm(
  broker: Pick<TestBroker, 'url' | 'fetch'>,
  path: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const body = new URLSearchParams(form)
  return readAnswer(
    await broker.fetch(new Request(`${broker.url}${path}`, { method: 'POST', body, headers })),
  )
}

/** Resolves once `condition` holds; throws after ten seconds, saying what was waited for. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
