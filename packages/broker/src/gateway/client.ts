import { looksLikeAccessToken } from '../authenticate/access-token.ts'
import { authenticate } from '../authenticate/authenticate.ts'
import type { Workload } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import type { Refusal } from '../refusal.ts'
import { type Link, noToken, readAdmission } from '../store/admission.ts'
import { basicCredentials } from './basic-credentials.ts'
import { fail, type OAuthOutcome } from './oauth-error.ts'
import type { Parameters } from './parameters.ts'

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** A client of the gateway: a workload, by the connector with which it signs people in. */
export interface GatewayClient {
  readonly workload: Workload
  /** As the client names the connector: what its ID tokens are for. */
  readonly clientId: string
  readonly credential: string
  readonly link: Link
}

/** What a client sent to prove itself. */
interface Presented {
  readonly clientId: string
  readonly credential: string
  /** A client assertion is a JWT by definition (RFC 7523 §2.2). */
  readonly assertion: boolean
}

/**
 * Authenticates a client by the identity of its workload, which it sends as its secret (RFC 6749 §2.3.1) or as a client
 * assertion (RFC 7523 §2.2). No secret is ever made for it, so it has none to lose.
 */
export async function authenticateClient(
  context: BrokerContext,
  sent: { readonly authorization: string | undefined; readonly parameters: Parameters },
): Promise<OAuthOutcome<GatewayClient>> {
  const presented = presentedBy(sent.authorization, sent.parameters)
  if (!presented.ok) return presented
  const { clientId, credential, assertion } = presented.value
  if (assertion && looksLikeAccessToken(credential))
    return fail('invalid_client', 'client_assertion is not a JWT')

  const caller = await authenticate(context, credential)
  if (!caller.ok) {
    context.audit.countAnonymous(caller.refusal.reason)
    return whyUnproven(caller.refusal)
  }
  if (caller.value.kind !== 'workload')
    return fail('invalid_client', "An operator's access token is not the identity of a workload")
  const { projectId, environment } = caller.value
  const { link } = await readAdmission(context.db, {
    ...noToken,
    projectId,
    environment,
    connector: clientId,
    now: context.now(),
  })
  if (link === undefined)
    return fail(
      'invalid_client',
      'This connector is not linked to the project and environment of the identity',
    )
  return { ok: true, value: { workload: caller.value, clientId, credential, link } }
}

/** Exactly one way of proving oneself (RFC 6749 §2.3), and one client id however often it is said. */
function presentedBy(authorization: string | undefined, parameters: Parameters): OAuthOutcome<Presented> {
  const clientId = parameters.get('client_id')
  const secret = parameters.get('client_secret')
  const assertion = parameters.get('client_assertion')
  const ways = [authorization, secret, assertion].filter((way) => way !== undefined)
  if (ways.length > 1) return fail('invalid_request', 'The client proves itself in more than one way')

  if (authorization !== undefined) {
    const basic = basicCredentials(authorization)
    if (basic === undefined) return fail('invalid_client', 'Authorization: not well-formed Basic credentials')
    if (clientId !== undefined && clientId !== basic.clientId)
      return fail('invalid_request', 'client_id is not the client that Authorization names')
    return { ok: true, value: { clientId: basic.clientId, credential: basic.secret, assertion: false } }
  }
  const credential = secret ?? assertion
  if (credential === undefined)
    return fail(
      'invalid_client',
      "The client proves itself with its workload's identity: as the password of HTTP Basic, as client_secret or as client_assertion",
    )
  if (assertion !== undefined && parameters.get('client_assertion_type') !== jwtBearer)
    return fail('invalid_request', `client_assertion_type must be ${jwtBearer}`)
  if (clientId === undefined)
    return fail('invalid_client', 'client_id is missing: the id or UID of a connector')
  return { ok: true, value: { clientId, credential, assertion: assertion !== undefined } }
}

function whyUnproven(refusal: Refusal): OAuthOutcome<never> {
  if (refusal.reason === 'issuer_unreachable') {
    const description = 'The keys of the identity issuer could not be fetched'
    return {
      ok: false,
      error: { code: 'temporarily_unavailable', description, status: 503, retryAfterSeconds: 5 },
    }
  }
  if (refusal.reason === 'token_expired')
    return fail('invalid_client', 'The identity has expired: obtain a new one')
  return fail('invalid_client', 'The identity of the client was not accepted')
}
