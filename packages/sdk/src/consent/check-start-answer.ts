import { invalidResponse } from '../errors/connect-error.ts'
import { asRecord } from '../http/parse-json.ts'
import { maxIdLength } from '../request/check-values.ts'
import { isWebAddress } from './check-urls.ts'
import type { StartedAuthorization } from './types.ts'

/**
 * An issuing point's answer to `authorize` or `install`, checked and copied. Its `url` and `verificationUri` are where a
 * browser is sent, so they must be web addresses: https, or http on this machine where `loopback` says that the issuing
 * point is there.
 *
 * @throws {ConnectError} `invalid_response`, without any part of the answer.
 */
export function checkStartAnswer(answer: unknown, loopback: boolean, nowMs: number): StartedAuthorization {
  const { url, request, verifier, expiresAt, deviceCode, verificationUri, connector } = asRecord(answer) ?? {}
  if (!isAuthorizationUrl(url, loopback)) throw invalid('has no usable url')
  if (!isText(request)) throw invalid('names no request')
  if (!isText(verifier)) throw invalid('has no verifier')
  // Seconds instead of milliseconds lie in the past, and so are found here too.
  if (typeof expiresAt !== 'number' || !Number.isFinite(expiresAt) || expiresAt <= nowMs)
    throw invalid('has expired or says no expiry in milliseconds')
  if (deviceCode !== undefined && !isText(deviceCode)) throw invalid('has a malformed device code')
  if (verificationUri !== undefined && !isAuthorizationUrl(verificationUri, loopback))
    throw invalid('has no usable verificationUri')
  const { id, uid, type, name, service, serviceName } = asRecord(connector) ?? {}
  if (!isText(id) || !isText(uid) || !isText(type) || !isText(name)) throw invalid('names no connector')
  return {
    url,
    request,
    verifier,
    expiresAt,
    ...(deviceCode === undefined ? undefined : { deviceCode }),
    ...(verificationUri === undefined ? undefined : { verificationUri }),
    connector: {
      id,
      uid,
      type,
      ...(isText(service) ? { service } : undefined),
      ...(isText(serviceName) ? { serviceName } : undefined),
      name,
    },
  }
}

// Providers' own authorization URLs may be longer than an address that a caller gives, and carry a fragment.
function isAuthorizationUrl(value: unknown, loopback: boolean): value is string {
  if (typeof value !== 'string' || value.length > 16_384) return false
  const [head = ''] = value.split(/[?#]/, 1)
  return !/[\s\p{Cc}\\]/u.test(value) && isWebAddress(head, loopback) && URL.canParse(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxIdLength
}

function invalid(what: string): Error {
  return invalidResponse(`The issuing point's answer ${what}`)
}
