import type { WireErrorCode } from '@valetkey/protocol'
import type { Refusal } from '../refusal.ts'

/** Every kind of audit event. `…_intended` is committed before the thing is done, its outcome afterwards. */
export type AuditEventKind =
  | 'chain_opened'
  | 'token_intended'
  | 'token_issued'
  | 'token_refused'
  | 'token_failed'
  | 'tokens_ended'
  | 'grant_refreshed'
  | 'grant_lost'
  | 'grant_ended_at_provider'
  | 'token_ended_at_provider'
  | 'consent_begun'
  | 'consent_intended'
  | 'consent_given'
  | 'consent_completed'
  | 'consent_refused'
  | 'management_intended'
  | 'management_done'
  | 'management_refused'
  | 'identity_seen'
  | 'anonymous_refusals'
  | 'audit_pruned'
  | 'keys_rotated'

/** Who did it, as far as it was proven. */
export type AuditActor =
  | {
      readonly type: 'workload'
      readonly projectId: string
      readonly environment: string
      readonly issuer?: string
      readonly subject?: string
      readonly ruleId?: string
      readonly accessTokenId?: string
    }
  | { readonly type: 'operator'; readonly role: string; readonly accessTokenId: string }
  /** Whoever opened a consent page. */
  | { readonly type: 'browser' }
  | { readonly type: 'broker' }
  | { readonly type: 'host' }

/**
 * One audit event before it takes its place in the chain. Plain JSON without secrets: minted tokens appear as
 * SHA-256, static ones as an HMAC under the key ring.
 */
export interface AuditEvent {
  readonly kind: AuditEventKind
  readonly actor: AuditActor
  readonly requestId?: string
  readonly projectId?: string
  readonly environment?: string
  readonly connectorId?: string
  readonly connectorUid?: string
  /** The wire's code, for refusals and failures. */
  readonly code?: WireErrorCode
  /** The broker's own reason behind `code`. */
  readonly reason?: Refusal['reason']
  /** What was done, for management: `connector.create`. */
  readonly action?: string
  readonly tokenId?: string
  readonly tokenDigest?: string
  /** Anything else worth keeping, without secrets. */
  readonly details?: Readonly<Record<string, unknown>>
}
