// A broker in memory with a provider of the test's own; not part of the package.

import type { ConsentDriver, Driver, MintedToken, MintRefusal, MintRequest } from '@valetkey/connectors'
import type { TokenResponse } from '@valetkey/protocol'
import type { BrokerContext } from '../context.ts'
import { assembleBroker } from '../create-broker.ts'
import { storeAccessToken } from '../manage/access-tokens.ts'
import { generateKey } from '../secrets/key-ring.ts'
import { testDatabaseFolder } from '../store/test-database.ts'

/** A provider that mints numbered tokens and remembers what it was asked. */
export interface TestProvider {
  readonly driver: Driver
  readonly minted: MintRequest[]
  readonly revoked: string[]
  /** What the next calls do instead. */
  onMint: (request: MintRequest, number: number) => Promise<MintedToken | MintRefusal>
  onRevoke: (token: string) => Promise<'revoked' | 'already_ended'>
  /** Forgets what it was asked and told to do. */
  reset(): void
}

export function createProvider(now: () => number): TestProvider {
  const minted: MintRequest[] = []
  const revoked: string[] = []
  const mint: TestProvider['onMint'] = async (request, number) => ({
    outcome: 'minted',
    token: `provider-token-${number}`,
    expiresAtMs: now() + 3_600_000,
    granted: { scopes: request.scopes, resources: [], authorizationDetails: [] },
    enforcedBy: 'provider',
    origins: ['https://api.fake.test'],
  })
  const provider: TestProvider = {
    minted,
    revoked,
    onMint: mint,
    onRevoke: async () => 'revoked',
    reset() {
      minted.length = 0
      revoked.length = 0
      provider.onMint = mint
      provider.onRevoke = async () => 'revoked'
    },
    driver: {
      service: 'fake',
      type: 'fake',
      title: 'Fake',
      behaviour: {
        subjects: ['app', 'user'],
        narrows: {
          scopes: true,
          resources: false,
          audience: false,
          authorizationDetails: [],
          installationId: true,
        },
        standing: false,
        callsProvider: true,
        revokesTokens: true,
      },
      dataSchema: {},
      secretFields: ['key'],
      parseSettings: () => ({ configuration: {}, secrets: { key: 'secret' } }),
      mergeSettings: (current) => current,
      check: async () => ({ configuration: {} }),
      clientUrl: () => undefined,
      normalizeDetail: (detail) => detail,
      holdDetail: () => ({ within: false, part: 'details' }),
      isFullAccess: () => false,
      mint: (_settings, request) => {
        minted.push(request)
        return provider.onMint(request, minted.length)
      },
      revokeToken: (_settings, token) => {
        revoked.push(token)
        return provider.onRevoke(token)
      },
    },
  }
  return provider
}

export interface TestBroker {
  readonly provider: TestProvider
  readonly context: BrokerContext
  readonly clock: { now: number }
  /** Calls the management API as an owner; throws when it is refused. */
  manage(method: string, path: string, body?: object): Promise<Record<string, unknown>>
  /** A new project with a connector of its own, attached for `development` with `ceiling`; the provider starts over. */
  project(ceiling?: object): Promise<TestProject>
  close(): Promise<void>
}

/** A project, and the workload that belongs to it. */
export interface TestProject {
  readonly name: string
  /** The path of its connector. */
  readonly connectorPath: string
  /** Asks for a token as the workload. */
  ask(
    body?: object,
  ): Promise<{ status: number; body: TokenResponse & { error?: { code: string; message: string } } }>
  /** Asks for an app token with another credential. */
  askAs(credential: string): ReturnType<TestProject['ask']>
  /** Any call as the workload. */
  call(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }>
  /** The kinds of the project's token events, oldest first. */
  tokenEvents(): Promise<string[]>
}

const url = 'http://127.0.0.1:4570'

/** Starts one. It takes seconds: share it among the tests of a file. */
export async function startTestBroker(
  options: { readonly consent?: (now: () => number) => ConsentDriver } = {},
): Promise<TestBroker> {
  const clock = { now: Date.now() }
  const provider = createProvider(() => clock.now)
  const consent = options.consent?.(() => clock.now)
  const folder = testDatabaseFolder()
  const { broker, context: current } = assembleBroker({
    publicUrl: url,
    database: folder.database,
    keys: generateKey(clock.now).text,
    development: true,
    drivers: [consent === undefined ? provider.driver : { ...provider.driver, consent }],
    now: () => clock.now,
    revocationEveryMs: 3_600_000,
  })
  await broker.start()
  const context = started(current())
  const holder = { role: 'owner' } as const
  const { secret } = await storeAccessToken(context.db, {
    holder,
    ephemeral: true,
    expiresAt: null,
    now: clock.now,
  })

  async function send(credential: string, method: string, path: string, body?: object) {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const answer = await broker.fetch(new Request(`${url}${path}`, init))
    return { status: answer.status, body: (await answer.json()) as never }
  }
  async function manage(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const answer = await send(secret, method, path, body)
    if (answer.status >= 300)
      throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  let projects = 0
  async function project(ceiling: object = {}): Promise<TestProject> {
    provider.reset()
    await context.db.deleteFrom('issued_tokens').execute()
    const name = `p${++projects}`
    const connectorPath = `/v1/connect/connectors/fake%2F${name}`
    await manage('POST', '/v1/projects', { name })
    await manage('POST', '/v1/connect/connectors', { service: 'fake', name, data: {} })
    await manage('POST', `${connectorPath}/projects/${name}`, { environments: ['development'], ...ceiling })
    const issued = await manage('POST', `/v1/projects/${name}/development-identities`, {
      environment: 'development',
    })
    const identity = String(issued.token)
    return {
      name,
      connectorPath,
      ask: (body = { subject: { type: 'app' } }) =>
        send(identity, 'POST', `/v1/connect/token/fake%2F${name}`, body),
      askAs: (credential) =>
        send(credential, 'POST', `/v1/connect/token/fake%2F${name}`, { subject: { type: 'app' } }),
      call: (method, path, body) => send(identity, method, path, body),
      async tokenEvents() {
        const { events } = (await manage('GET', `/v1/audit/events?limit=100&project=${name}`)) as {
          events: { kind: string }[]
        }
        return events
          .map(({ kind }) => kind)
          .filter((kind) => kind.startsWith('token'))
          .reverse()
      },
    }
  }
  return { provider, context, clock, manage, project, close: () => broker.close().finally(folder.remove) }
}

function started(context: BrokerContext | undefined): BrokerContext {
  if (context === undefined) throw new Error('not started')
  return context
}
