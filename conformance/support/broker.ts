import { randomBytes } from 'node:crypto'
import { cpSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, createBroker, type Log, type LogLevel } from '@valetkey/broker'
import { createLocalAccessToken } from '@valetkey/broker/host'
import type { Driver } from '@valetkey/connectors'
import { afterAll } from 'vitest'
import { type Clock, createClock } from './clock.ts'
import { serveFetch, startLoopbackServer } from './http.ts'

/** One line that the broker logged. */
export interface LogLine {
  readonly level: LogLevel
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** An HTTP answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The parsed JSON object; empty when there was none. */
  readonly body: Readonly<Record<string, unknown>>
  /** `error.code` and `error.message`, where the answer is an error. */
  readonly code: string | undefined
  readonly message: string | undefined
}

export interface CallOptions {
  readonly token?: string
  readonly body?: unknown
  /** Sent as it is, instead of `body`. */
  readonly rawBody?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A running broker and an owner's access token for it. */
export interface TestBroker {
  readonly url: string
  readonly owner: string
  readonly folder: string
  readonly clock: Clock
  readonly logs: LogLine[]
  readonly fetch: (request: Request) => Promise<Response>
  readonly call: (method: string, path: string, options?: CallOptions) => Promise<Answer>
  /** A call as the owner that must succeed. */
  readonly manage: (
    method: string,
    path: string,
    body?: unknown,
  ) => Promise<Readonly<Record<string, unknown>>>
  /** Asks for a token. */
  readonly ask: (connector: string, identity: string, request?: unknown) => Promise<Answer>
  /** Closes the broker; its folder stays until the end of the test process. */
  readonly stop: () => Promise<void>
  /** Starts it again on the same folder. */
  readonly start: () => Promise<void>
  readonly close: () => Promise<void>
}

export interface BrokerOptions {
  readonly clock?: Clock
  readonly drivers?: readonly Driver[]
  /** Default false: a server, which reaches loopback because its egress settings say so. */
  readonly development?: boolean
  readonly egressAllow?: readonly string[]
  /** Default: as seldom as can be, so that only `revocationEveryMs` of a test starts background work. */
  readonly revocationEveryMs?: number
  /** Signing keys and an owner that no other broker of this file has. Default false: copies of one template. */
  readonly ownKeys?: boolean
  /** Answer on a real port. Default false: the URL is only a name. */
  readonly listen?: boolean
  /** Runs before the broker sees a request over HTTP; true when it has answered itself. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** A folder with a migrated database, its keys, and an owner. */
interface Template {
  readonly folder: string
  readonly keys: string
  readonly owner: string
}

/** The one of the whole run of tests. */
function sharedTemplate(): Template {
  const made = process.env.VALETKEY_TEST_OWNED_DATABASE
  if (made === undefined) throw new Error('There is no database to copy: see tooling/test-database.ts')
  return JSON.parse(made) as Template
}

const templates: string[] = []

// A worker of vitest ends without an `exit` event: the file that made a template removes it.
afterAll(async () => {
  for (const folder of templates.splice(0)) await rm(folder, { recursive: true, force: true })
})

async function makeTemplate(): Promise<Template> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-conformance-template-'))
  templates.push(folder)
  const base = process.env.VALETKEY_TEST_DATABASE
  if (base !== undefined) cpSync(base, folder, { recursive: true })
  const keys = `conformance:${randomBytes(32).toString('base64')}`
  const { token } = await createLocalAccessToken({
    environment: { VALETKEY_KEYS: keys },
    dataDir: folder,
    log: () => {},
    role: 'owner',
  })
  return { folder, keys, owner: token }
}

/** Starts a broker with data of its own. */
export async function startBroker(options: BrokerOptions = {}): Promise<TestBroker> {
  const { folder: source, keys, owner } = options.ownKeys ? await makeTemplate() : sharedTemplate()
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-conformance-'))
  // The one of `node:fs/promises` takes ten times as long.
  cpSync(source, folder, { recursive: true })

  const clock = options.clock ?? createClock()
  const logs: LogLine[] = []
  const log: Log = (level, message, fields = {}) => void logs.push({ level, message, fields })
  let broker: Broker | undefined
  const fetch = async (request: Request) => {
    if (broker === undefined) throw new Error('The broker of this test is stopped')
    return broker.fetch(request)
  }
  const server = options.listen
    ? await startLoopbackServer(async (request, response, body) => {
        if (options.intercept?.(request, response) === true) return
        await serveFetch(fetch, server as NonNullable<typeof server>, { request, response, body })
      })
    : undefined
  const url = server?.url ?? (options.development ? 'http://127.0.0.1:4570' : 'https://broker.example')

  async function start(): Promise<void> {
    const starting = createBroker({
      publicUrl: url,
      database: { folder },
      keys,
      log,
      now: clock.now,
      development: options.development ?? false,
      egressAllow: options.egressAllow ?? (options.development ? [] : ['127.0.0.1']),
      revocationEveryMs: options.revocationEveryMs ?? 2_147_483_647,
      ...(options.drivers === undefined ? {} : { drivers: options.drivers }),
    })
    await starting.start()
    broker = starting
  }
  async function stop(): Promise<void> {
    const stopping = broker
    broker = undefined
    await stopping?.close()
  }
  const call: TestBroker['call'] = async (method, path, init = {}) => {
    const headers = new Headers(init.headers)
    if (init.token !== undefined) headers.set('authorization', `Bearer ${init.token}`)
    const body = init.rawBody ?? (init.body === undefined ? undefined : JSON.stringify(init.body))
    if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json')
    return readAnswer(
      await fetch(new Request(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })),
    )
  }

  await start()
  return {
    url,
    owner,
    folder,
    clock,
    logs,
    fetch,
    call,
    manage: async (method, path, body) => {
      const answer = await call(method, path, { token: owner, body })
      if (answer.status > 299) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
      return answer.body
    },
    ask: (connector, identity, request = { subject: { type: 'app' } }) =>
      call('POST', `/v1/connect/token/${encodeURIComponent(connector)}`, { token: identity, body: request }),
    start,
    stop,
    close: async () => {
      await stop()
      await server?.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Reads an answer to its end. */
export async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text()
  const body = parseObject(text)
  const error = asObject(body.error)
  return {
    status: response.status,
    headers: response.headers,
    text,
    body,
    code: typeof error.code === 'string' ? error.code : undefined,
    message: typeof error.message === 'string' ? error.message : undefined,
  }
}

/** `value` if it is an object, else an empty one. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

/** `value` if it is a list of objects, else an empty one. */
export function asObjects(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(asObject) : []
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return {}
  }
}
