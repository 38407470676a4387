import type { ConnectOptions, ConnectTokenParams, ConnectTokenResponse } from '@valetkey/sdk'
import type { AskOptions, ConnectToolClient, ToolAccess } from './types.ts'

/** What one call of a tool asks with. */
export interface AccessOptions {
  readonly client: ConnectToolClient
  readonly connector: string
  /** Called when something is asked for, and not before. */
  readonly params: () => Promise<ConnectTokenParams>
  /** Ends exchanges and requests alike. */
  readonly signal: AbortSignal | undefined
  readonly options: Omit<ConnectOptions, 'signal'>
  readonly allowOrigins: readonly string[] | undefined
  /** Told every token that is handed out. */
  readonly onToken: (token: string) => void
}

/** The access of one call. Nothing is asked for, nor are the params made, before one of the functions is called. */
export function createAccess(access: AccessOptions): ToolAccess {
  const { client, connector, params, signal, options, allowOrigins } = access
  let bound: Promise<typeof globalThis.fetch> | undefined
  async function getTokenResponse(more: AskOptions = {}): Promise<ConnectTokenResponse> {
    const response = await client.getTokenResponse(connector, await params(), { ...options, ...more, signal })
    access.onToken(response.token)
    return response
  }
  return {
    async fetch(input, init) {
      bound ??= params().then((asked) => client.createFetch(connector, asked, { ...options, allowOrigins }))
      // In the request and not in the options: there it ends the wait for the token, and the request, and its answer.
      return (await bound)(input, { ...init, signal: bothSignals(signal, init?.signal ?? signalOf(input)) })
    },
    getTokenResponse,
    async getToken(more) {
      return (await getTokenResponse(more)).token
    },
  }
}

function signalOf(input: string | URL | Request): AbortSignal | undefined {
  // By its shape: a Request may be of another implementation.
  return typeof input === 'object' && 'signal' in input ? input.signal : undefined
}

function bothSignals(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | null {
  const signals = [one, other].filter((signal) => signal !== undefined)
  return signals.length === 0 ? null : AbortSignal.any(signals)
}
