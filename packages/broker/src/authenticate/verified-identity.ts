/** A workload that has proven itself. */
export interface VerifiedIdentity {
  readonly projectId: string
  readonly projectName: string
  readonly environment: string
  readonly issuer: string
  /** The token's `sub`; empty for an issuer that writes none. */
  readonly subject: string
  /** The first rule that admitted it, or `development`. */
  readonly ruleId: string
}
