import { ConnectError, identityUnavailable } from '../errors/connect-error.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import { type Answer, type Outgoing, send } from '../http/send.ts'
import { isLoopbackHost } from '../issuing-point/parse-issuing-point-url.ts'
import type { IdentityContext } from './identity-source.ts'
import { unverifiedClaims } from './unverified-claims.ts'

/**
 * Asks a platform for an identity over HTTP, and checks what comes back: status, shape, audience and expiry.
 *
 * @param readToken takes the token out of an answer with a status of success.
 * @param audiences what the token may be for. Default: the issuing point.
 * @throws {ConnectError} `identity_unavailable`, naming `platform`.
 */
export async function mint(
  platform: string,
  outgoing: Outgoing,
  readToken: (answer: Answer) => unknown,
  context: IdentityContext,
  audiences: readonly string[] = [context.destination.audience],
): Promise<string> {
  const answer = await send(context, outgoing).catch((error: unknown) => {
    if (error instanceof ConnectError && error.code !== 'aborted') throw gaveNone(platform, error.message)
    throw error
  })
  if (answer.status < 200 || answer.status > 299) throw gaveNone(platform, `it answered ${answer.status}`)
  return checkMinted(platform, readToken(answer), audiences, context)
}

/** Takes the string in `field` of a JSON answer. */
export function jsonField(field: string): (answer: Answer) => unknown {
  return ({ text }) => parseJsonObject(text)?.[field]
}

/**
 * `token` if it is a JWT for one of `audiences` and for nobody else, and still valid.
 *
 * @throws {ConnectError} `identity_unavailable`, naming `platform`.
 */
export function checkMinted(
  platform: string,
  token: unknown,
  audiences: readonly string[],
  { now }: Pick<IdentityContext, 'now'>,
): string {
  const claims = typeof token === 'string' ? unverifiedClaims(token) : undefined
  const [audience, ...others] = claims?.audiences ?? []
  if (claims !== undefined && (audience === undefined || others.length > 0 || !audiences.includes(audience)))
    throw identityUnavailable(
      `${platform} gave an identity for another audience than ${audiences.join(' or ')}`,
    )
  return checkUnexpired(platform, token, now())
}

/**
 * `token` if it is a JWT that is still valid, for whatever audience: where the platform leaves no choice of one.
 *
 * @throws {ConnectError} `identity_unavailable`, naming `platform`.
 */
export function checkUnexpired(platform: string, token: unknown, nowMs: number): string {
  const claims = typeof token === 'string' ? unverifiedClaims(token) : undefined
  if (typeof token !== 'string' || claims === undefined) throw gaveNone(platform, 'its answer holds no token')
  if (claims.expiresAtSeconds === undefined || claims.expiresAtSeconds * 1000 <= nowMs)
    throw identityUnavailable(
      `${platform} gave an identity that has expired: is the clock of this machine right?`,
    )
  return token
}

/** The error when a platform matched and gave no identity. `why` says what to do, and quotes no answer. */
export function gaveNone(platform: string, why: string): ConnectError {
  return identityUnavailable(
    `${platform} gave no identity: ${why}. To use another source here, name it in VALETKEY_IDENTITY`,
  )
}

/**
 * An address out of the environment, to which a platform's credential will go: https, http on this machine, or on a
 * documented link-local address. The environment could point anywhere.
 *
 * @param isPlatforms whether a host is the platform's own, where http is its only way.
 * @throws {ConnectError} `identity_unavailable`, naming the variable and not its value.
 */
export function platformAddress(
  text: string,
  variable: string,
  isPlatforms: (hostname: string) => boolean = () => false,
): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isNear = url !== undefined && (isLoopbackHost(url.hostname) || isPlatforms(url.hostname))
  if (
    url === undefined ||
    (url.protocol !== 'https:' && !(url.protocol === 'http:' && isNear)) ||
    url.username !== '' ||
    url.password !== ''
  )
    throw identityUnavailable(
      `${variable} is not an https address of the platform, so nothing was sent there: leave it as the platform sets it`,
    )
  return url
}
