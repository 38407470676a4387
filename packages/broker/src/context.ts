import type { KeyObject } from 'node:crypto'
import type { Driver } from '@valetkey/connectors'
import type { Kysely } from 'kysely'
import type { CheckpointSigner } from './audit/checkpoint.ts'
import type { AuditTrail } from './audit/trail.ts'
import type { DevelopmentIssuer } from './authenticate/development-issuer.ts'
import type { VerifyOptions } from './authenticate/identity-token.ts'
import type { VerifiedIdentity } from './authenticate/verified-identity.ts'
import type { Egress } from './egress/egress-fetch.ts'
import type { GrantsInUse } from './issue/grants-in-use.ts'
import type { RateLimits } from './limits/rate-limits.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Outcome } from './refusal.ts'
import type { KeyRing } from './secrets/key-ring.ts'
import type { SigningKey } from './secrets/signing-keys.ts'
import type { Schema } from './store/schema.ts'
import type { TrustSnapshots } from './store/trust-snapshot.ts'
import type { Tracing } from './tracing.ts'

/** Everything a running broker works with; made once at start, handed to each step. */
export interface BrokerContext {
  /** No trailing slash. */
  readonly publicUrl: string
  /** Whether issuers may be http on loopback: a development broker, or one whose egress settings allow it. */
  readonly allowHttpLoopback: boolean
  /** True for the embedded development broker. */
  readonly development: boolean
  readonly db: Kysely<Schema>
  readonly keyRing: KeyRing
  readonly trust: TrustSnapshots
  readonly verifyIdentity: (token: string, options?: VerifyOptions) => Promise<Outcome<VerifiedIdentity>>
  readonly developmentIssuer: DevelopmentIssuer
  readonly developmentKey: SigningKey
  /** What the sign-in gateway signs its tokens with, and makes its subjects from. */
  readonly gateway: { readonly key: SigningKey; readonly subjectSecret: KeyObject }
  /** Signs what the broker sends to webhooks and triggers. */
  readonly attestationKey: SigningKey
  readonly audit: AuditTrail
  readonly checkpointKey: SigningKey
  readonly checkpointSigner: CheckpointSigner
  readonly egress: Egress
  readonly findDriver: (service: string) => Driver | undefined
  readonly drivers: readonly Driver[]
  readonly grantsInUse: GrantsInUse
  readonly limits: RateLimits
  /** Whether `X-Forwarded-For` names the client. */
  readonly trustProxy: boolean
  readonly metrics: Metrics
  readonly tracing: Tracing
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
}
