import type { JWK } from 'jose'
import { isRecord } from '../strict-json.ts'
import { type Algorithm, algorithms } from './algorithms.ts'
import { isLoopbackHost } from './issuer-url.ts'
import { findKnownIssuer } from './known-issuers.ts'

/** What an issuer says of itself: the keys it signs with and the algorithms it may use. */
export interface IssuerDocument {
  readonly keys: readonly JWK[]
  readonly algorithms: readonly Algorithm[]
}

/** Why an issuer's keys could not be had. The message holds nothing of what the issuer sent. */
export class IssuerFault extends Error {
  override readonly name = 'IssuerFault'
}

const timeoutMs = 5_000
const maxBytes = 512 * 1024
const maxKeys = 100
const rsaBits = { least: 2048, most: 8192 }

/**
 * Fetches an issuer's discovery document and the keys it points to (OpenID Connect Discovery §4, RFC 8414 §3).
 *
 * Only ever called with an issuer that a trust rule names. `fetch` decides which hosts may be reached.
 *
 * @throws {IssuerFault}
 */
export async function fetchIssuerDocument(
  issuer: string,
  fetch: typeof globalThis.fetch,
): Promise<IssuerDocument> {
  const signal = AbortSignal.timeout(timeoutMs)
  const configuration = await fetchJson(
    `${issuer.endsWith('/') ? issuer.slice(0, -1) : issuer}/.well-known/openid-configuration`,
    { fetch, signal, what: 'discovery document' },
  )
  // Without this, one issuer's document could lend another its keys (OpenID Connect Discovery §4.3).
  if (configuration.issuer !== issuer) throw new IssuerFault('The discovery document names another issuer')

  const keySet = await fetchJson(keysUrl(configuration.jwks_uri), { fetch, signal, what: 'key set' })
  if (!Array.isArray(keySet.keys)) throw new IssuerFault('The key set has no list of keys')
  if (keySet.keys.length > maxKeys) throw new IssuerFault(`The key set has more than ${maxKeys} keys`)
  const keys = keySet.keys.map(usableKey).filter((key) => key !== undefined)
  // An empty set is a fault upstream and must not replace one that works.
  if (keys.length === 0) throw new IssuerFault('The key set has no usable key')
  return { keys, algorithms: pinnedAlgorithms(issuer, configuration.id_token_signing_alg_values_supported) }
}

function pinnedAlgorithms(issuer: string, supported: unknown): readonly Algorithm[] {
  const known = findKnownIssuer(issuer)?.algorithms
  if (known !== undefined) return known
  if (!Array.isArray(supported)) return ['RS256', 'ES256']
  const names: ReadonlySet<unknown> = new Set(supported)
  const pinned = algorithms.filter((algorithm) => names.has(algorithm))
  if (pinned.length === 0) throw new IssuerFault('The issuer offers no accepted signature algorithm')
  return pinned
}

function keysUrl(value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname))
  if (url === undefined || !secure || url.username !== '' || url.password !== '') {
    throw new IssuerFault('The discovery document has no usable "jwks_uri"')
  }
  return url.href
}

/** Takes only the public members of a signing key, or nothing: private, symmetric, encryption and weak keys. */
function usableKey(value: unknown): JWK | undefined {
  if (!isRecord(value)) return undefined
  const { kty, kid, use, alg, key_ops, crv, x, y, n, e } = value
  if (use !== undefined && use !== 'sig') return undefined
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes('verify'))) return undefined
  if (Object.hasOwn(value, 'd') || Object.hasOwn(value, 'k')) return undefined
  const common = {
    ...(typeof kid === 'string' ? { kid } : {}),
    ...(typeof alg === 'string' ? { alg } : {}),
  }
  if (kty === 'RSA' && typeof n === 'string' && typeof e === 'string') {
    const bits = modulusBits(n)
    return bits >= rsaBits.least && bits <= rsaBits.most ? { kty, n, e, ...common } : undefined
  }
  if (typeof crv !== 'string' || typeof x !== 'string') return undefined
  if (kty === 'EC' && typeof y === 'string') return { kty, crv, x, y, ...common }
  if (kty === 'OKP') return { kty, crv, x, ...common }
  return undefined
}

function modulusBits(n: string): number {
  const bytes = Buffer.from(n, 'base64url')
  const first = bytes.findIndex((byte) => byte !== 0)
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] ?? 0) + 24
}

async function fetchJson(
  url: string,
  options: { readonly fetch: typeof globalThis.fetch; readonly signal: AbortSignal; readonly what: string },
): Promise<Readonly<Record<string, unknown>>> {
  const { what } = options
  const value = await read(url, options).catch((error: unknown) => {
    if (error instanceof IssuerFault) throw error
    // The name alone: messages of others may quote what was sent.
    const why = error instanceof Error ? error.name : 'unknown'
    throw new IssuerFault(`The ${what} could not be fetched (${why})`)
  })
  if (!isRecord(value)) throw new IssuerFault(`The ${what} is not a JSON object`)
  return value
}

async function read(
  url: string,
  { fetch, signal, what }: { fetch: typeof globalThis.fetch; signal: AbortSignal; what: string },
): Promise<unknown> {
  const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new IssuerFault(`The ${what} was answered with status ${response.status}`)
  }
  const decoder = new TextDecoder()
  let text = ''
  let seen = 0
  for await (const chunk of response.body ?? []) {
    seen += chunk.byteLength
    if (seen > maxBytes) throw new IssuerFault(`The ${what} is larger than ${maxBytes} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  try {
    return JSON.parse(text + decoder.decode())
  } catch {
    throw new IssuerFault(`The ${what} is not JSON`)
  }
}
