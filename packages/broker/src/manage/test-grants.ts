// A broker in memory whose one provider takes consents, with an operator of each role; not part of the package.

import type { ConsentDriver, Driver } from '@valetkey/connectors'
import type { Role } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { assembleBroker } from '../create-broker.ts'
import { createProvider } from '../issue/test-broker.ts'
import { generateKey } from '../secrets/key-ring.ts'
import { testDatabaseFolder } from '../store/test-database.ts'
import { storeAccessToken } from './access-tokens.ts'

const url = 'http://127.0.0.1:4570'

/** An answer of the broker. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

export interface GrantBroker {
  readonly context: BrokerContext
  readonly clock: { now: number }
  /** Calls as an operator of that role, or with a credential of one's own. */
  call(
    who: Role | { readonly credential: string },
    method: string,
    path: string,
    body?: object,
  ): Promise<Answer>
  /** A new project with a connector of its own, attached with `ceiling`. */
  place(ceiling?: object, environments?: readonly string[]): Promise<Place>
  close(): Promise<void>
}

export interface Place {
  readonly project: string
  readonly uid: string
  /** `/v1/connect/connectors/{connector}` */
  readonly path: string
  readonly importPath: string
  /** The identity of a workload there, in `development`. */
  readonly identity: string
}

const consent: ConsentDriver = {
  places: ['apiUrl'],
  behaviour: () => ({ kinds: ['user', 'installation'], refreshEndsAccessToken: false, endsGrants: true }),
  defaultScopes: () => [],
  start: () => Promise.reject(new Error('nobody consents here')),
  finish: () => Promise.reject(new Error('nobody consents here')),
  issue: (_settings, { credential }, request) => ({
    outcome: 'minted',
    token: credential.accessToken ?? '',
    expiresAtMs: credential.accessExpiresAtMs,
    granted: credential.granted,
    enforcedBy: request.scopes.length === 0 ? 'provider' : 'none',
    origins: ['https://api.fake.test'],
  }),
  refresh: () => Promise.resolve({ outcome: 'ended' }),
}

/** Starts one; the provider's settings are one secret, `key`. `plain` is a second service, without consent. */
export async function startGrantBroker(): Promise<GrantBroker> {
  const clock = { now: Date.now() }
  const base = createProvider(() => clock.now).driver
  const fake: Driver = {
    ...base,
    consent,
    parseSettings: (data) => ({ configuration: {}, secrets: { ...(data as object) } }),
    mergeSettings: ({ configuration, secrets }, data) => ({
      configuration,
      secrets: { ...secrets, ...(data as object) },
    }),
  }
  const folder = testDatabaseFolder()
  const { broker, context: current } = assembleBroker({
    publicUrl: url,
    database: folder.database,
    keys: generateKey(clock.now).text,
    development: true,
    drivers: [fake, { ...base, service: 'plain' }],
    now: () => clock.now,
    revocationEveryMs: 3_600_000,
  })
  await broker.start()
  const context = current()
  if (context === undefined) throw new Error('not started')
  const credentials = new Map<Role, string>()
  for (const role of ['owner', 'manager', 'auditor'] as const) {
    const holder = { role }
    const made = await storeAccessToken(context.db, {
      holder,
      ephemeral: true,
      expiresAt: null,
      now: clock.now,
    })
    credentials.set(role, made.secret)
  }

  const call: GrantBroker['call'] = async (who, method, path, body) => {
    const credential = typeof who === 'string' ? credentials.get(who) : who.credential
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const answer = await broker.fetch(new Request(`${url}${path}`, init))
    return { status: answer.status, body: (await answer.json()) as Answer['body'] }
  }
  async function done(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const answer = await call('owner', method, path, body)
    if (answer.status >= 300) throw new Error(`${path} answered ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  let places = 0
  async function place(ceiling: object = {}, environments = ['development']): Promise<Place> {
    const project = `p${++places}`
    const uid = `fake/${project}`
    const path = `/v1/connect/connectors/${encodeURIComponent(uid)}`
    await done('POST', '/v1/projects', { name: project })
    await done('POST', '/v1/connect/connectors', { service: 'fake', name: project, data: { key: 'first' } })
    await done('POST', `${path}/projects/${project}`, { environments, ...ceiling })
    const identities = `/v1/projects/${project}/development-identities`
    const { token } = await done('POST', identities, { environment: 'development' })
    const importPath = `/v1/connect/token/${encodeURIComponent(uid)}/import`
    return { project, uid, path, importPath, identity: String(token) }
  }
  return { context, clock, call, place, close: () => broker.close().finally(folder.remove) }
}
