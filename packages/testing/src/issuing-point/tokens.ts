import type { Authority, Subject, TokenResponse } from '@valetkey/protocol'
import { requestKey, subjectKey } from './canonical.ts'
import { connectorOf } from './connectors.ts'
import type { ParsedBody } from './parse-body.ts'
import type { MockRequest, MockToken, MockTokenAnswer } from './types.ts'

const lifetimeMs = 3_600_000
const defaultValidityBufferMs = 30_000

interface Issued {
  readonly connector: string
  readonly subject: string
  readonly installationId: string | undefined
  /** Of the request that it answers again; absent for what a function made. */
  readonly key: string | undefined
  readonly issuedAtMs: number
  readonly response: TokenResponse
  ended: boolean
}

/** Which tokens to end. */
interface Ending {
  readonly connector?: string | undefined
  readonly subject?: Subject | undefined
  readonly installationId?: string | undefined
}

/** The tokens of a mock: one that is live is answered again, as by a broker. */
export interface Tokens {
  issue(connector: string, body: ParsedBody, request: MockRequest): Promise<TokenResponse>
  /** Ends what fits, and says how many were live. */
  end(which: Ending): number
  isLive(token: string): boolean
}

export function createTokens(
  configured: ReadonlyMap<string, MockToken> | undefined,
  now: () => number,
): Tokens {
  const issued: Issued[] = []
  let count = 0

  const isLiveNow = ({ ended, response }: Issued): boolean => !ended && response.expiresAt > now()

  function findStored(key: string, { validityBufferMs = defaultValidityBufferMs }: ParsedBody) {
    return issued.find((each) => {
      if (each.key !== key || !isLiveNow(each)) return false
      const bufferMs = Math.min(validityBufferMs, (each.response.expiresAt - each.issuedAtMs) / 2)
      return each.response.expiresAt - bufferMs > now()
    })
  }

  return {
    async issue(connector, body, request) {
      const key = requestKey(connector, body)
      const { rejectedTokenId } = body
      for (const each of issued)
        if (each.key === key && rejectedTokenId !== undefined && each.response.tokenId === rejectedTokenId)
          each.ended = true
      const token = configured?.get(connector)
      const stored = typeof token === 'function' ? undefined : findStored(key, body)
      if (stored !== undefined) return stored.response
      const made = typeof token === 'function' ? await token(request) : token
      count += 1
      const response = responseOf(connector, body, made ?? madeUp(count, connector), { count, nowMs: now() })
      issued.push({
        ...{ connector, subject: body.subject === undefined ? '' : subjectKey(body.subject) },
        installationId: body.installationId,
        key: typeof token === 'function' ? undefined : key,
        ...{ issuedAtMs: now(), response, ended: false },
      })
      return response
    },
    end({ connector, subject, installationId }) {
      const ending = issued.filter(
        (each) =>
          isLiveNow(each) &&
          (connector === undefined || each.connector === connector) &&
          (subject === undefined || each.subject === subjectKey(subject)) &&
          (installationId === undefined || each.installationId === installationId),
      )
      for (const each of ending) each.ended = true
      return ending.length
    },
    isLive: (token) => issued.some((each) => each.response.token === token && isLiveNow(each)),
  }
}

function madeUp(count: number, connector: string): string {
  return `mock-token-${count}-${connector.replace(/[^\w-]+/g, '-')}`
}

function responseOf(
  connector: string,
  body: ParsedBody,
  made: string | MockTokenAnswer,
  { count, nowMs }: { readonly count: number; readonly nowMs: number },
): TokenResponse {
  const { id, uid, type } = connectorOf(connector)
  const authority: Authority = {
    scopes: (body.scopes ?? []).filter((scope) => scope !== '*'),
    resources: body.resources ?? [],
    authorizationDetails: body.authorizationDetails ?? [],
  }
  return {
    tokenId: `stk_mock_${count}`,
    expiresAt: nowMs + lifetimeMs,
    connector: { id, uid, type },
    ...(body.installationId === undefined ? undefined : { installationId: body.installationId }),
    ...{ requested: authority, granted: authority, enforcedBy: 'provider' },
    ...(typeof made === 'string' ? { token: made } : made),
  }
}
