import { createHash, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { SigningKey } from '../secrets/signing-keys.ts'

/** The `typ` of attestations; no other token may carry it, and they no other. */
const attestationType = 'vk-trigger+jwt'

/** How long one counts. */
const ttlSeconds = 60

/** One call to an app, and what it is about. */
export interface Attested {
  /** The broker's public URL. */
  readonly issuer: string
  readonly project: { readonly id: string; readonly name: string }
  readonly environment: string
  /** Exactly where the call goes. */
  readonly destination: string
  readonly connector: { readonly id: string; readonly uid: string }
  readonly body: string
  /** The consent request that a webhook is told of. */
  readonly request: string
}

/**
 * Attests one call: who sends it, to whom, where, and which bytes. A new one for each attempt, because it ends soon and
 * a receiver takes each `jti` once.
 */
export function signAttestation(key: SigningKey, attested: Attested, now: number): Promise<string> {
  const issuedAt = Math.floor(now / 1000)
  return new SignJWT({
    project: attested.project,
    environment: attested.environment,
    destination: attested.destination,
    request: attested.request,
    connector: attested.connector,
    digest: `sha-256=${createHash('sha256').update(attested.body).digest('base64url')}`,
  })
    .setProtectedHeader({ alg: 'ES256', typ: attestationType, kid: key.kid })
    .setIssuer(attested.issuer)
    .setAudience(new URL(attested.destination).origin)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ttlSeconds)
    .setJti(randomUUID())
    .sign(key.privateKey)
}
