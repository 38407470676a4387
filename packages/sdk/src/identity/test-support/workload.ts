import type { FakePlatform } from '@valetkey/testing/platforms'
import { getTokenIn } from '../../calls/get-token.ts'
import { createContext } from '../../client/create-context.ts'
import type { ConnectOptions } from '../../request/types.ts'
import {
  brokerUrl,
  environment,
  fakeFetch,
  type SeenRequest,
  tokenResponse,
} from '../../test-support/fakes.ts'
import { requestFlyToken } from '../platforms/fly.ts'
import { type UnverifiedClaims, unverifiedClaims } from '../unverified-claims.ts'

/** An app that runs on a platform and asks an issuing point for tokens. */
export interface Workload {
  /** Its environment, which tests change. */
  readonly variables: Record<string, string>
  call(connector?: string, options?: ConnectOptions): Promise<string>
  /** What the issuing point was sent. */
  readonly sent: readonly SeenRequest[]
  /** The claims of the identities that it was sent. */
  identities(): readonly (UnverifiedClaims | undefined)[]
}

/** What a workload is told besides what its platform says. */
export interface WorkloadOptions {
  readonly variables?: Readonly<Record<string, string>>
  readonly url?: string
  readonly timeoutMs?: number
  /** What the issuing point answers. Default a token. */
  readonly answer?: (request: SeenRequest, index: number) => Response
  /** The socket of a Fly Machine, which no test can have at `/.fly/api`. */
  readonly flySocket?: string
}

/** An access token is always there too: nothing may fall through to it. */
export function workloadOn(platform: FakePlatform, options: WorkloadOptions = {}): Workload {
  const { url = brokerUrl, timeoutMs = 5_000, flySocket } = options
  const issuingPoint = fakeFetch(options.answer ?? (() => Response.json(tokenResponse())))
  const fetch: typeof globalThis.fetch = (input, init) =>
    String(input).startsWith(brokerUrl) ? issuingPoint(input, init) : platform.fetch(input, init)
  const variables: Record<string, string> = {
    ...platform.environment,
    VALETKEY_URL: url,
    VALETKEY_ACCESS_TOKEN: 'the-access-token',
    ...options.variables,
  }
  const read = environment(variables)
  const context = createContext({ fetch, timeoutMs }, read)
  const own: ConnectOptions =
    flySocket === undefined
      ? {}
      : {
          identityToken: ({ signal }) => {
            const endsAtMs = performance.now() + timeoutMs
            return requestFlyToken(flySocket, {
              destination: context.destination(),
              fetch,
              signal,
              remainingMs: () => endsAtMs - performance.now(),
              now: Date.now,
              read,
            })
          },
        }
  return {
    variables,
    call: (connector = 'c', more = {}) =>
      getTokenIn(context, connector, { subject: { type: 'app' } }, { ...own, ...more }),
    sent: issuingPoint.seen,
    identities: () =>
      issuingPoint.seen.map(({ headers }) => {
        const credential = headers.get('authorization') ?? ''
        return unverifiedClaims(credential.replace('Bearer ', ''))
      }),
  }
}
