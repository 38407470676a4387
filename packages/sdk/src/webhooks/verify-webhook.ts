import { base64url } from 'jose'
import { statusOf } from '../consent/check-status.ts'
import { ConnectError, invalidRequest } from '../errors/connect-error.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import { checkClaims } from './check-claims.ts'
import { type CheckedOptions, checkOptions } from './check-options.ts'
import { attestationOf, verifiedClaims } from './read-attestation.ts'
import { readBody } from './read-body.ts'
import { refused } from './refused.ts'
import type { VerifiedWebhook, VerifyWebhookOptions } from './types.ts'

/**
 * Returns what a consent webhook says, once it is certain that the issuing point said it: to this destination, for
 * this project and environment, about this request and body, within the last minute and for the first time.
 *
 * Reads the request's body, which is in `rawBody` then. Fetches the issuing point's keys from
 * `<url>/.well-known/jwks.json`, and keeps them. A status is news and no more: it activates nothing, and `consented`
 * is not `active`.
 *
 * @throws {ConnectError} `identity_invalid` for a request that is not to be believed (answer 401); `too_large` above
 *   1 MiB; `unavailable` when keys or memory cannot be had (answer 503: it is delivered again);
 *   `invalid_request` for malformed options, or a body that is no status.
 */
export async function verifyWebhook(
  request: Request,
  options: VerifyWebhookOptions,
): Promise<VerifiedWebhook> {
  const checked = checkOptions(options)
  if (typeof request?.url !== 'string' || typeof request.headers?.get !== 'function')
    throw invalidRequest('request must be a Request')
  const attestation = attestationOf(request.headers)
  const claims = await verifiedClaims(attestation, checked.base, checked.fetch)
  const destination = checked.destination ?? new URL(request.url)
  const attested = checkClaims(claims, { ...checked, destination }, checked.now())
  const body = await readBody(request)
  if ((await digestOf(body)) !== attested.digest) throw refused('it is for another body')
  const rawBody = textOf(body)
  const status = rawBody === undefined ? undefined : statusOf(parseJsonObject(rawBody))
  if (rawBody === undefined || status === undefined)
    throw invalidRequest('The webhook is not the status of a consent request')
  if (status.request !== attested.request) throw refused('it is for another request')
  // Once more: who sends the body slowly could otherwise outlast the memory of what was seen.
  if (checked.now() >= attested.expiresAtMs) throw refused('it has expired')
  // Last, so that a copy with another body does not use up what the genuine one needs.
  await refuseRepeated(checked, attested.jti, attested.expiresAtMs)
  return { ...status, connector: attested.connector, rawBody }
}

async function digestOf(body: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', body)
  return `sha-256=${base64url.encode(new Uint8Array(hash))}`
}

function textOf(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return undefined
  }
}

async function refuseRepeated({ seen }: CheckedOptions, jti: string, expiresAtMs: number): Promise<void> {
  let known: unknown
  try {
    known = await seen(jti, expiresAtMs)
  } catch (error) {
    if (error instanceof ConnectError) throw error
    // A store's error may hold its address and password.
    throw new ConnectError('Whether the webhook was seen before cannot be told', { code: 'unavailable' })
  }
  if (known !== false) throw refused('it was seen before')
}
