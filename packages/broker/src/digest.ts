import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

/** SHA-256 of a text, in hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** SHA-256 of a JSON value in canonical form (RFC 8785): equal values have equal digests, whatever their field order. */
export function digestOf(value: unknown): string {
  return sha256(canonicalize(value) ?? '')
}
