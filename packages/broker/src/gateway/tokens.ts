import { randomUUID } from 'node:crypto'
import { compactVerify, SignJWT } from 'jose'
import { parseCompactToken } from '../authenticate/compact-token.ts'
import { hasAudience } from '../authenticate/match-rule.ts'
import { checkTimes } from '../authenticate/token-times.ts'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'

/** The `typ` of the gateway's access tokens (RFC 9068 §2.1). */
const accessTokenType = 'at+jwt'

/**
 * The `typ` of the gateway's ID tokens. Not `JWT`: an ID token says who a person is, and must not pass for the identity
 * of a workload at anyone who trusts this broker as an issuer.
 */
const idTokenType = 'vk-signin+jwt'

/** How long the gateway's tokens live, in seconds. */
export const gatewayTokenSeconds = 3_600

/** What an access token of the gateway says. */
export interface GatewayAccess {
  readonly subject: string
  readonly clientId: string
  readonly grantId: string
  readonly projectId: string
  readonly environment: string
  readonly scopes: readonly string[]
}

/** Signs an access token (RFC 9068); it opens nothing but this broker's userinfo. */
export function signAccessToken(context: BrokerContext, access: GatewayAccess): Promise<string> {
  const claims = {
    client_id: access.clientId,
    scope: access.scopes.join(' '),
    grant: access.grantId,
    project: access.projectId,
    environment: access.environment,
  }
  return sign(context, accessTokenType, claims, { subject: access.subject, audience: context.publicUrl })
}

/** Signs an ID token (OpenID Connect Core §2) for a client. `claims` are about the person. */
export function signIdToken(
  context: BrokerContext,
  token: {
    readonly subject: string
    readonly clientId: string
    readonly nonce: string | undefined
    readonly claims: Readonly<Record<string, unknown>>
  },
): Promise<string> {
  const { subject, clientId, nonce, claims } = token
  const said = { ...claims, ...(nonce === undefined ? {} : { nonce }) }
  return sign(context, idTokenType, said, { subject, audience: clientId })
}

async function sign(
  { gateway, publicUrl, now }: BrokerContext,
  type: string,
  claims: Record<string, unknown>,
  to: { readonly subject: string; readonly audience: string },
): Promise<string> {
  const issuedAt = Math.floor(now() / 1000)
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: gateway.key.kid, typ: type })
    .setIssuer(publicUrl)
    .setSubject(to.subject)
    .setAudience(to.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + gatewayTokenSeconds)
    .setJti(randomUUID())
    .sign(gateway.key.privateKey)
}

/** Verifies an access token of this gateway; every other kind of token is refused, whoever signed it. */
export async function verifyAccessToken(
  { gateway, publicUrl, now }: BrokerContext,
  text: string,
): Promise<Outcome<GatewayAccess>> {
  const parsed = parseCompactToken(text)
  if (!parsed.ok) return parsed
  const { type, header, payload, issuer } = parsed.value
  if (type !== accessTokenType)
    return refuse({ reason: 'token_malformed', detail: '"typ" is not that of a gateway token' })
  if (issuer !== publicUrl) return refuse({ reason: 'issuer_untrusted' })
  if (header.kid !== gateway.key.kid) return refuse({ reason: 'signature_invalid', detail: 'unknown key' })
  try {
    await compactVerify(text, gateway.key.publicKey, { algorithms: ['ES256'] })
  } catch {
    return refuse({ reason: 'signature_invalid', detail: 'wrong signature' })
  }
  if (!hasAudience(payload, publicUrl)) return refuse({ reason: 'audience_mismatch' })
  const times = checkTimes(payload, now())
  if (!times.ok) return times
  const {
    sub: subject,
    client_id: clientId,
    grant: grantId,
    project: projectId,
    environment,
    scope,
  } = payload
  const parts = { subject, clientId, grantId, projectId, environment, scope }
  if (!allText(parts)) return refuse({ reason: 'token_malformed', detail: 'a claim is missing' })
  return accept({ ...parts, scopes: parts.scope.split(' ') })
}

function allText<Name extends string>(parts: Record<Name, unknown>): parts is Record<Name, string> {
  return Object.values(parts).every((part) => typeof part === 'string')
}
