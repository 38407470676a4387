import { type ConsentChallenge, isConsentRequiredError, toConsentRequired } from '@valetkey/mcp'
import {
  ConnectError,
  type ConnectOptions,
  type ConnectTokenParams,
  isConnectError,
  type UserAuthorizationRequiredError,
} from '@valetkey/sdk'
import { causesOf } from './causes.ts'
import type { ConsentRequired } from './consent-required.ts'
import type { ConnectToolClient, ConsentOptions } from './types.ts'
import { holdsSecret, withheld } from './withheld.ts'

/** A call of a tool, as far as its failure matters. */
export interface FailedCall<CONTEXT> extends ConsentOptions<CONTEXT> {
  readonly client: ConnectToolClient
  readonly connector: string
  readonly params: () => Promise<ConnectTokenParams>
  readonly options: Pick<ConnectOptions, 'identityToken' | 'signal' | 'timeoutMs' | 'vercelToken'>
  readonly context: CONTEXT
  /** What `execute` was given; the verifier is added. */
  readonly secrets: Set<string>
}

/**
 * What becomes of a call whose `execute` failed: a consent to ask for, else an error that is fit to be shown.
 *
 * An error that is a failure of the exchange, or was made from one, is replaced by one of the same code without the
 * issuing point's wording; the original is its `cause`, which no model sees. Every other error stays as it is, unless
 * it holds a credential.
 */
export async function afterFailure<CONTEXT>(
  error: unknown,
  call: FailedCall<CONTEXT>,
): Promise<ConsentRequired> {
  let failure = error
  try {
    const required = await requireConsent(error, call)
    if (!isConsentRequiredError(required)) throw error
    if (call.onMissingConsent !== 'throw') return resultOf(required.challenge)
    failure = required
  } catch (other) {
    failure = other
  }
  if (isConsentRequiredError(failure)) throw failure
  if (holdsSecret(failure, call.secrets)) throw withheld('error')
  const refused = causesOf(failure).find(isConnectError)
  throw refused === undefined ? failure : withoutWording(refused, failure)
}

async function requireConsent<CONTEXT>(error: unknown, call: FailedCall<CONTEXT>): Promise<unknown> {
  const causes = causesOf(error)
  const started = causes.find(isConsentRequiredError)
  const missing = causes.find(isMissingConsent)
  if (started !== undefined) {
    // Begun in `execute`, by an MCP transport for instance: the app has to know of it all the same.
    call.secrets.add(started.challenge.verifier)
    await call.onConsentRequired?.(started.challenge, call.context)
    return started
  }
  if (missing === undefined) return undefined
  const { client, options, binding, callbackUrl, deviceCode, webhook } = call
  return toConsentRequired(
    missing,
    missing.connector ?? call.connector,
    missing.params ?? (await call.params()),
    {
      ...options,
      client,
      binding,
      callbackUrl,
      deviceCode,
      webhook,
      async onConsentRequired(challenge) {
        call.secrets.add(challenge.verifier)
        await call.onConsentRequired?.(challenge, call.context)
      },
    },
  )
}

function isMissingConsent(value: unknown): value is UserAuthorizationRequiredError {
  return isConnectError(value) && value.code === 'user_authorization_required'
}

/** Field by field: the challenge holds the verifier. */
function resultOf({
  connector,
  url,
  request,
  deviceCode,
  verificationUri,
  expiresAt,
}: ConsentChallenge): ConsentRequired {
  return {
    type: 'consent_required',
    connector,
    url,
    request,
    ...(deviceCode === undefined ? undefined : { deviceCode }),
    ...(verificationUri === undefined ? undefined : { verificationUri }),
    expiresAt,
  }
}

/** The framework shows a model name and message of an error, and nothing else of it. */
function withoutWording(
  { code, retryable, status, requestId, connector }: ConnectError,
  cause: unknown,
): Error {
  const advice = retryable ? 'trying again later may help' : 'trying again does not help'
  return new ConnectError(`No access (${code}): ${advice}`, {
    code,
    retryable,
    status,
    requestId,
    connector,
    cause,
  })
}
