/** Why a call was not let out. */
export type EgressRefusalReason =
  | 'url_invalid'
  | 'scheme_not_allowed'
  | 'address_not_public'
  | 'address_forbidden'
  | 'response_too_large'

/**
 * A call that the egress rules stopped. The message names the host and the setting that would allow the call, and
 * never the address that a name resolved to: it may reach people who must not learn the network's layout.
 */
export class EgressRefused extends Error {
  override readonly name = 'EgressRefused'
  readonly reason: EgressRefusalReason
  readonly host: string

  constructor(reason: EgressRefusalReason, host: string, message: string) {
    super(message)
    this.reason = reason
    this.host = host
  }
}
