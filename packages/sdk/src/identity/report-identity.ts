import { callIssuingPoint } from '../calls/call-issuing-point.ts'
import type { Context } from '../client/context.ts'
import { type ClientConfig, createContext } from '../client/create-context.ts'
import { isConnectError } from '../errors/connect-error.ts'
import { whoAsks } from '../exchange/who-asks.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import { brokerToBe } from '../issuing-point/why-no-issuing-point.ts'
import { checkCallOptions } from '../request/call-options.ts'
import type { ConnectOptions } from '../request/types.ts'
import { findIdentity } from './find-identity.ts'
import { fixedAudiences } from './fixed-audience.ts'
import { reportSources, type SourceReport } from './source-report.ts'
import { unverifiedClaims } from './unverified-claims.ts'
import { adviceForNone } from './why-no-identity.ts'

/** Which identity the SDK would use, and why no other. */
export interface IdentityReport {
  /** The issuing point that it is for. Absent when none is named. */
  readonly issuingPoint?: string
  /** The source that gave it, or `the identity option`. Absent when there is none. */
  readonly source?: string
  /** Of a JWT, as it was read and not verified. Absent for a workload access token, which says nothing by itself. */
  readonly claims?: {
    readonly iss?: string
    readonly sub?: string
    readonly aud: readonly string[]
    /** Seconds since the epoch. */
    readonly exp?: number
  }
  /** What its holder could do with it elsewhere, where the platform leaves no choice of audience. */
  readonly weakness?: string
  /** Why there is none. */
  readonly error?: { readonly code: string; readonly message: string }
  /** Every ambient source, in the order in which they are asked. Empty when the identity was given. */
  readonly sources: readonly SourceReport[]
}

/**
 * Returns which identity a call would use here, and what each source saw. The credential itself is obtained, as a call
 * would, checked, and neither sent to the issuing point nor returned.
 *
 * @throws {ConnectError} `invalid_request`, and nothing else: a missing issuing point, a missing or broken identity are
 *   part of the report.
 */
export async function reportIdentity(
  config: ClientConfig = {},
  options?: Pick<ConnectOptions, 'identityToken' | 'signal' | 'timeoutMs'>,
): Promise<IdentityReport> {
  const context = createContext(config)
  const call = checkCallOptions(options)
  let destination: Destination
  try {
    destination = context.destination()
  } catch (error) {
    return withoutIssuingPoint(context, error)
  }
  const who = await whoAsks(context, destination, call)
  const isAmbient = call.identity === undefined && context.identity === undefined
  const ambient = isAmbient && typeof who !== 'function' ? who : undefined
  const sourcesOf = (failure?: string): readonly SourceReport[] =>
    ambient === undefined ? [] : reportSources(context.read, destination, ambient, failure)
  const issuingPoint = destination.id
  try {
    const credential = await callIssuingPoint(
      context,
      undefined,
      call,
      (_destination, { credential: checked }) => Promise.resolve(checked),
    )
    const source = ambient?.source.name ?? 'the identity option'
    const claims = unverifiedClaims(credential)
    const weakness = fixedAudiences.get(source)
    return {
      issuingPoint,
      source,
      ...(claims === undefined ? undefined : { claims: shown(claims) }),
      ...(weakness === undefined ? undefined : { weakness }),
      sources: sourcesOf(),
    }
  } catch (error) {
    if (!isConnectError(error)) throw error
    const { code } = error
    // The list of reasons is the report's own, further down.
    const isMissing = ambient?.source.name === 'none' && context.read('VALETKEY_IDENTITY') === undefined
    const message = isMissing ? `No identity was found. ${adviceForNone}` : error.message
    return { issuingPoint, error: { code, message }, sources: sourcesOf(message) }
  }
}

function withoutIssuingPoint({ read }: Context, error: unknown): IdentityReport {
  if (!isConnectError(error) || error.code !== 'issuing_point_missing') throw error
  const { code, message } = error
  return {
    error: { code, message },
    sources: reportSources(read, brokerToBe, findIdentity(read, brokerToBe)),
  }
}

function shown(
  claims: NonNullable<ReturnType<typeof unverifiedClaims>>,
): NonNullable<IdentityReport['claims']> {
  const { issuer, subject, audiences, expiresAtSeconds } = claims
  return {
    ...(issuer === undefined ? undefined : { iss: issuer }),
    ...(subject === undefined ? undefined : { sub: subject }),
    aud: audiences,
    ...(expiresAtSeconds === undefined ? undefined : { exp: expiresAtSeconds }),
  }
}
