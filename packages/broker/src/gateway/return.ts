import type { GrantIdentity } from '@valetkey/connectors'
import { withAnswer } from '../consent/with-answer.ts'
import type { BrokerContext } from '../context.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import { signInCode } from './code.ts'
import { pairwiseSubject } from './subject.ts'

/**
 * Who somebody is for the project that asked: the `sub` of its tokens, and the user id of the grant, whose issuer is the
 * broker's public URL. Undefined when the provider named nobody: such a person can't be signed in.
 */
export async function signInSubject(
  context: BrokerContext,
  row: ConsentRequestRow,
  identity: GrantIdentity,
): Promise<string | undefined> {
  const { externalSubject, tenantId } = identity
  if (externalSubject === undefined || externalSubject === '') return undefined
  return pairwiseSubject(context.gateway.subjectSecret, {
    projectId: row.project_id,
    connectorId: row.connector_id,
    externalSubject,
    tenantId,
  })
}

/** What an app is told instead of a code (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6). */
export type AuthorizationError =
  | 'invalid_request'
  | 'invalid_scope'
  | 'unauthorized_client'
  | 'unsupported_response_type'
  | 'request_not_supported'
  | 'request_uri_not_supported'
  | 'interaction_required'
  | 'access_denied'
  | 'server_error'
  | 'temporarily_unavailable'

/**
 * Where the browser goes with the outcome of a sign-in: the registered redirect URI, with `state` as it came and `iss`
 * (RFC 9207). `code` is the secret that the consenting browser got; the id of the request is put before it here.
 */
export function signInReturn(
  context: BrokerContext,
  row: ConsentRequestRow,
  outcome: { readonly code: string } | { readonly error: AuthorizationError },
): string {
  const { gateway } = row
  if (gateway === null) throw new TypeError('Not a request of the sign-in gateway')
  const answer =
    'code' in outcome ? { code: signInCode({ requestId: row.id, secret: outcome.code }) } : outcome
  return returnTo(context, gateway, answer)
}

/** A redirect URI with the parameters of an authorization response. */
export function returnTo(
  context: BrokerContext,
  to: { readonly redirectUri: string; readonly state?: string },
  answer: Readonly<Record<string, string>>,
): string {
  const { redirectUri, state } = to
  return withAnswer(redirectUri, {
    ...answer,
    ...(state === undefined ? {} : { state }),
    iss: context.publicUrl,
  })
}
