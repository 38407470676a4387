import { type Client, type ConnectEvent, createClient } from '@valetkey/sdk'
import type { Ability, Answer, SeenRequest, Settings } from './protocol.ts'

/** What a runtime is like, as far as checks have to know. */
export interface Runtime {
  readonly name: 'node' | 'bun' | 'deno' | 'workerd'
  readonly version: string
}

/** What every check is handed. */
export interface Environment {
  readonly runtime: Runtime
  readonly settings: Settings
}

/** One thing that has to be so on every runtime. */
export interface Check {
  readonly name: string
  /** Left out where this is missing. */
  readonly needs?: Ability
  readonly run: (environment: Environment) => Promise<void>
}

type ClientConfig = Omit<NonNullable<Parameters<typeof createClient>[0]>, 'url' | 'now' | 'onEvent'>

/** An issuing point, and an API, that one check has to itself. */
export interface Scope {
  /** Where the issuing point is. */
  readonly url: string
  readonly origin: string
  /** The API, and the same on another origin. */
  readonly api: string
  readonly apiElsewhere: string
  readonly events: readonly ConnectEvent[]
  /** A client of this issuing point, with a clock that `passTime` moves; as identity `workload` unless it says so. */
  client(config?: ClientConfig): Client
  passTime(milliseconds: number): void
  /** Has the next requests for tokens answered so. */
  script(...answers: readonly Answer[]): Promise<void>
  /** What reached the issuing point and the API. */
  seen(): Promise<readonly SeenRequest[]>
  /** What reached the server elsewhere. */
  seenElsewhere(): Promise<readonly SeenRequest[]>
  /** The `Authorization` header of a webhook. */
  attest(body: string, destination: string): Promise<string>
}

let scopes = 0

export function openScope({ settings }: Environment): Scope {
  const path = `/s/${settings.run}-${++scopes}`
  const url = settings.origin + path
  const urlElsewhere = settings.elsewhere + path
  const events: ConnectEvent[] = []
  let passedMs = 0
  return {
    url,
    origin: settings.origin,
    api: `${url}/api`,
    apiElsewhere: `${urlElsewhere}/api`,
    events,
    client: (config = { identity: 'workload' }) =>
      createClient({
        ...config,
        url,
        now: () => Date.now() + passedMs,
        onEvent: (event) => events.push(event),
      }),
    passTime(milliseconds) {
      passedMs += milliseconds
    },
    async script(...answers) {
      await ask(`${url}/control/script`, { answers })
    },
    seen: async () => (await ask(`${url}/control/seen`)) as readonly SeenRequest[],
    seenElsewhere: async () => (await ask(`${urlElsewhere}/control/seen`)) as readonly SeenRequest[],
    async attest(body, destination) {
      const { authorization } = (await ask(`${url}/control/attest`, { body, destination })) as {
        readonly authorization: string
      }
      return authorization
    },
  }
}

async function ask(url: string, body: unknown = {}): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  const text = await response.text()
  return text === '' ? undefined : JSON.parse(text)
}
