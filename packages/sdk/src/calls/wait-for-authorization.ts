import { forgetFlights } from '../cache/forget-flights.ts'
import { type Context, defaultContext } from '../client/context.ts'
import { askAboutRequest, checkRequestName } from '../consent/ask-about-request.ts'
import { statusOf } from '../consent/check-status.ts'
import { outcomeError } from '../consent/outcome-error.ts'
import { pauseUnlessAborted, pollPauseMs } from '../consent/poll-pause.ts'
import { readFields, readOptions } from '../consent/read-fields.ts'
import type {
  AuthorizationStatus,
  WaitForAuthorizationOptions,
  WaitForAuthorizationParams,
} from '../consent/types.ts'
import { withoutSecrets } from '../consent/without-secrets.ts'
import { ConnectError, invalidResponse } from '../errors/connect-error.ts'
import { aborted } from '../exchange/flight.ts'
import { type CheckedOptions, checkTimeout } from '../request/call-options.ts'
import { checkFunction, checkId, optional } from '../request/check-values.ts'
import { callIssuingPoint } from './call-issuing-point.ts'

const longestRequestMs = 86_400_000
const firstIntervalMs = 2000
/** Polls in a row that may fail in passing: about half a minute. */
const maxFailures = 10

/**
 * Waits until the grant of a consent is usable, and resolves with its status, `active`. For processes to which no
 * browser comes back, such as a command line; it only watches: `completeAuthorization` has to be called besides.
 *
 * Polls at once, then every 2 s, backing off to 5 s, or as late as `Retry-After` asks. `consented` is told to
 * `onStatus` and is no success. Faults that pass are polled through, ten in a row at most. Each poll may take the
 * client's `timeoutMs`.
 *
 * @throws {ConnectError} `user_authorization_required` when the consent was denied or has expired; for one that
 *   failed, the code the issuing point gives as its reason, else `provider_refused`; `aborted` at once when `signal`
 *   says so; `timeout` after `timeoutMs`; `not_found` or `forbidden` when the request is not known to it.
 */
export function waitForAuthorization(
  params: WaitForAuthorizationParams,
  options?: WaitForAuthorizationOptions,
): Promise<AuthorizationStatus> {
  return waitForAuthorizationIn(defaultContext(), params, options)
}

export async function waitForAuthorizationIn(
  context: Context,
  params: WaitForAuthorizationParams,
  options: WaitForAuthorizationOptions | undefined,
): Promise<AuthorizationStatus> {
  const given = readFields(params, 'params', ['request', 'verifier'])
  const request = checkRequestName(given.request, 'request')
  const verifier = checkId(given.verifier, 'verifier')
  const { own, call } = readOptions(options, ['onStatus', 'intervalMs'])
  const onStatus = optional(own.onStatus, checkFunction<(status: AuthorizationStatus) => void>, 'onStatus')
  const intervalMs = optional(own.intervalMs, checkTimeout, 'intervalMs') ?? firstIntervalMs
  try {
    const status = await poll(context, { request, verifier, onStatus, intervalMs, call })
    forgetFlights(context.cache, undefined)
    return status
  } catch (error) {
    throw withoutSecrets(error, [verifier])
  }
}

interface Watch {
  readonly request: string
  readonly verifier: string
  readonly onStatus: ((status: AuthorizationStatus) => void) | undefined
  readonly intervalMs: number
  readonly call: CheckedOptions
}

async function poll(context: Context, watch: Watch): Promise<AuthorizationStatus> {
  const { signal } = watch.call
  const limitMs = watch.call.timeoutMs ?? longestRequestMs
  const startedAtMs = performance.now()
  const leftMs = (): number => limitMs - (performance.now() - startedAtMs)
  let failures = 0
  let told: string | undefined
  for (let number = 1; ; number++) {
    if (signal?.aborted) throw aborted(undefined)
    if (leftMs() <= 0)
      throw new ConnectError(`The authorization was not decided within ${limitMs} ms`, { code: 'timeout' })
    let retryAfter: string | null = null
    const call = { ...watch.call, timeoutMs: Math.min(leftMs(), context.timeoutMs) }
    const outcome = await askStatus(context, watch, call, (value) => {
      retryAfter = value
    }).catch((error: ConnectError) => error)
    if (outcome instanceof Error) {
      if (!outcome.retryable || ++failures >= maxFailures) throw outcome
    } else {
      failures = 0
      if (outcome.status !== told) tell(watch.onStatus, outcome)
      told = outcome.status
      if (outcome.status === 'active') return outcome
      const failed = outcomeError(outcome)
      if (failed !== undefined) throw failed
    }
    const pauseMs = pollPauseMs(number, watch.intervalMs, retryAfter, Date.now(), Math.random())
    await pauseUnlessAborted(Math.max(0, Math.min(pauseMs, leftMs())), signal)
  }
}

function askStatus(
  context: Context,
  { request, verifier }: Watch,
  options: CheckedOptions,
  onRetryAfter: (value: string | null) => void,
): Promise<AuthorizationStatus> {
  return callIssuingPoint(context, undefined, options, async (destination, call) => {
    const question = { about: 'status', body: { verifier } } as const
    const answer = await askAboutRequest(destination, request, question, call, options.region, onRetryAfter)
    const status = statusOf(answer)
    if (status?.request !== request)
      throw invalidResponse("The issuing point's answer is not the status of this request")
    return status
  })
}

function tell(onStatus: Watch['onStatus'], status: AuthorizationStatus): void {
  try {
    onStatus?.(status)
  } catch {
    // Watching must not break the wait.
  }
}
