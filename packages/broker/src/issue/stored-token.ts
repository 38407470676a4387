import type { TokenResponse } from '@valetkey/protocol'
import type { Workload } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { open } from '../secrets/seal.ts'
import { issuedTokenContext } from '../secrets/sealed-columns.ts'
import type { StoredTokenRow } from '../store/admission.ts'
import type { IssuedTokenFacts } from '../store/schema.ts'
import type { ParsedTokenRequest } from './token-request.ts'

/** A token in the clear, on its way to the caller who is entitled to it. */
export interface ServableToken {
  readonly id: string
  readonly token: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly facts: IssuedTokenFacts
}

/** Opens a stored token for the workload and the request that it answers. */
export function openStored(
  context: BrokerContext,
  caller: Workload,
  connectorId: string,
  request: Pick<ParsedTokenRequest, 'key' | 'subjectKey'>,
  stored: StoredTokenRow,
): ServableToken {
  const sealContext = issuedTokenContext({
    id: stored.id,
    connector_id: connectorId,
    project_id: caller.projectId,
    environment: caller.environment,
    subject_key: request.subjectKey,
    request_key: request.key,
    installation_id: stored.installation_id,
  })
  return {
    id: stored.id,
    token: open(context.keyRing, sealContext, stored.token),
    expiresAt: stored.expires_at,
    facts: stored.facts,
  }
}

/** The answer for a token. */
export function respond(
  connector: { readonly id: string; readonly uid: string; readonly type: string },
  token: ServableToken,
): TokenResponse {
  const { digest: _digest, ...facts } = token.facts
  return {
    token: token.token,
    tokenId: token.id,
    expiresAt: token.expiresAt,
    connector: { id: connector.id, uid: connector.uid, type: connector.type },
    ...facts,
  }
}
