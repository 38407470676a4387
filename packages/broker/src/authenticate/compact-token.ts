import { accept, type Outcome, refuse } from '../refusal.ts'
import { parseStrictObject } from '../strict-json.ts'
import { type Algorithm, isAlgorithm } from './algorithms.ts'

/** Above this a token is refused unread. */
const maxTokenBytes = 16_384

/** A signed JWT that has been read and not yet verified: nothing in it is true so far. */
export interface CompactToken {
  readonly text: string
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Readonly<Record<string, unknown>>
  readonly algorithm: Algorithm
  /** Lower case, because media types have no case (RFC 7515 §4.1.9); undefined when the header has none. */
  readonly type: string | undefined
  readonly issuer: string
}

/**
 * Header members that change how a token is verified. Keys and their addresses come from the issuer's own
 * document and never from a token (RFC 8725 §3.10); no extension is understood, so no `crit` is either (RFC 7515
 * §4.1.11), nor what only an extension can mean.
 */
const refusedHeaders = ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc'] as const

const base64url = /^[A-Za-z0-9_-]+$/
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads a compact JWS whose payload is a JSON object; every fault is `token_malformed` with what is wrong. */
export function parseCompactToken(text: string): Outcome<CompactToken> {
  if (text.length > maxTokenBytes) return malformed('longer than 16 KiB')
  const parts = text.split('.')
  const [headerPart, payloadPart, signaturePart] = parts
  if (
    parts.length !== 3 ||
    headerPart === undefined ||
    payloadPart === undefined ||
    signaturePart === undefined ||
    !parts.every(isCanonicalBase64url)
  ) {
    return malformed('not three base64url parts')
  }
  const header = decodeObject(headerPart)
  if (header === undefined) return malformed('the header is not a JSON object with distinct names')
  const payload = decodeObject(payloadPart)
  if (payload === undefined) return malformed('the payload is not a JSON object with distinct names')

  const refused = refusedHeaders.find((name) => Object.hasOwn(header, name))
  if (refused !== undefined) return malformed(`the header has "${refused}"`)
  const { alg, kid, typ } = header
  if (!isAlgorithm(alg)) return malformed('"alg" is not an accepted asymmetric algorithm')
  if (kid !== undefined && typeof kid !== 'string') return malformed('"kid" is not a string')
  if (typ !== undefined && typeof typ !== 'string') return malformed('"typ" is not a string')
  const { iss, sub } = payload
  if (typeof iss !== 'string') return malformed('"iss" is missing or not a string')
  if (sub !== undefined && typeof sub !== 'string') return malformed('"sub" is not a string')
  return accept({ text, header, payload, algorithm: alg, type: typ?.toLowerCase(), issuer: iss })
}

/** Whether a token's `typ` is that of a plain JWT. Access tokens (`at+jwt`) and the broker's own kinds are not. */
export function isPlainJwt(token: CompactToken): boolean {
  return token.type === undefined || token.type === 'jwt' || token.type === 'jose'
}

function malformed(detail: string): Outcome<never> {
  return refuse({ reason: 'token_malformed', detail })
}

/** Also refuses stray bits at the end, with which one token would have many spellings (RFC 4648 §3.5). */
function isCanonicalBase64url(part: string): boolean {
  return base64url.test(part) && Buffer.from(part, 'base64url').toString('base64url') === part
}

function decodeObject(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return parseStrictObject(decoder.decode(Buffer.from(part, 'base64url')))
  } catch {
    return undefined
  }
}
