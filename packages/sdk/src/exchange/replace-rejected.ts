import type { TokenResponse } from '@valetkey/protocol'
import type { Entry, Partition } from '../cache/token-cache.ts'
import { ConnectError } from '../errors/connect-error.ts'
import { NoValidTokenError, UserAuthorizationRequiredError } from '../errors/refusals.ts'
import { paramsOnWire } from '../request/on-wire.ts'
import type { CheckedRequest } from '../request/token-request.ts'
import type { Ask } from './flights.ts'

/** A token rejected so soon after it replaced a rejected one says that it is not the token which is wrong. */
const replacementTrialMs = 60_000

/**
 * What is needed of modules that every application loads at once. Handed over rather than imported: a bundler would
 * cut those modules into more pieces for the sake of this one, which is loaded with the first rejected token.
 */
export interface Loaded {
  readonly acquire: (ask: Ask, leftMs: number) => TokenResponse | Promise<TokenResponse>
  readonly findEntry: () => Entry | undefined
  /** Keeps the answer of the exchange under way out of the cache: it may bring back the very token. */
  readonly detachFlight: (partition: Partition) => void
  readonly noteEviction: () => void
}

/**
 * A token in place of the one that its provider rejected: the cached one if another caller was faster, else one from
 * an exchange that names the rejected one.
 *
 * @throws {UserAuthorizationRequiredError | NoValidTokenError} when the rejected one was itself such a replacement, or
 *   the issuing point has no other.
 */
export async function replaceRejected(ask: Ask, leftMs: number, loaded: Loaded): Promise<TokenResponse> {
  const { context, request } = ask
  const { rejectedToken } = ask.call
  const other: Ask = { ...ask, call: { ...ask.call, rejectedToken: undefined } }
  const endMs = performance.now() + leftMs
  // Twice: a token that was not cached here is known, with its id, only once the issuing point has given it again.
  for (let turn = 0; turn < 2; turn++) {
    const entry = loaded.findEntry()
    if (entry !== undefined && entry.response?.token === rejectedToken) {
      if (isOnTrial(entry, context.now())) throw noOther(request)
      reject(entry)
      loaded.detachFlight(entry.partition)
      loaded.noteEviction()
    }
    const response = await loaded.acquire(other, Math.max(1, endMs - performance.now()))
    if (response.token !== rejectedToken) return response
  }
  throw noOther(request)
}

/** Forgets an entry's token, but for what the exchange that replaces it has to say. */
export function reject(entry: Entry): void {
  entry.rejectedTokenId = entry.response?.tokenId
  entry.response = undefined
}

function isOnTrial(entry: Entry, nowMs: number): boolean {
  return entry.replacedAtMs !== undefined && nowMs - entry.replacedAtMs < replacementTrialMs
}

/** True for the error of {@link replaceRejected} itself, and for none that the issuing point caused. */
export function isWithoutOther(error: unknown): boolean {
  return error instanceof ConnectError && withoutOther.has(error)
}

const withoutOther = new WeakSet<ConnectError>()

function noOther(request: CheckedRequest): ConnectError {
  const { connector } = request
  const error =
    request.subject.type === 'user'
      ? new UserAuthorizationRequiredError(
          'The provider rejects the tokens of this user: ask for consent again',
          {
            connector,
            params: paramsOnWire(request),
          },
        )
      : new NoValidTokenError('The provider rejects the tokens of this connector', { connector })
  withoutOther.add(error)
  return error
}
