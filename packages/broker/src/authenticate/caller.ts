/** Whoever sent a request, once proven. */
export type Caller = Workload | Operator

/** A workload of one project and environment. */
export interface Workload {
  readonly kind: 'workload'
  readonly projectId: string
  readonly projectName: string
  readonly environment: string
  /** How it was proven: an OIDC identity by a trust rule, or a workload access token. */
  readonly proof:
    | {
        readonly type: 'identity'
        readonly issuer: string
        readonly subject: string
        readonly ruleId: string
      }
    | { readonly type: 'access-token'; readonly accessTokenId: string }
}

/** What an operator's access token allows; each role includes what is listed after it. */
export type Role = 'owner' | 'manager' | 'auditor'

/** A person or program with an operator's access token. */
export interface Operator {
  readonly kind: 'operator'
  readonly role: Role
  readonly accessTokenId: string
}
