import type { GrantCredential, GrantIdentity } from '../../consent.ts'
import type { JsonObject, MintedToken, MintRefusal, MintRequest } from '../../driver.ts'
import { quoted, refused } from '../../refusal.ts'
import type { OAuthConnection } from './connection.ts'
import { rememberedBy } from './credential.ts'
import { canonical } from './details.ts'

/** As much of a connection as a token is handed out with. */
export type IssuingConnection = Pick<OAuthConnection, 'provider' | 'origins' | 'defaultAudience'>

/** Scopes that shape the consent and open nothing: providers leave them out of what they say was granted. */
const consentScopes: readonly string[] = ['openid', 'offline_access']

/**
 * The token of a grant, as it is: a granted token can't be narrowed without a call.
 *
 * What is asked must be within what was granted. `enforcedBy` is the provider only where the token carries no more
 * scopes than were asked for: else nobody holds it to the request.
 */
export function issueToken(
  connection: IssuingConnection,
  grant: { readonly credential: GrantCredential; readonly identity: GrantIdentity },
  request: MintRequest,
): MintedToken | MintRefusal {
  const { credential, identity } = grant
  if (credential.accessToken === undefined) return refused('no_credential', 'The grant holds no access token')
  const above = partAbove(connection, credential, request)
  if (above !== undefined)
    return refused('above_grant', `${connection.provider} was not asked to grant ${above}: consent again`)
  const { granted } = credential
  const wanted = [...consentScopes, ...request.scopes]
  const exact = request.scopes.length === 0 || granted.scopes.every((scope) => wanted.includes(scope))
  return {
    outcome: 'minted',
    token: credential.accessToken,
    expiresAtMs: credential.accessExpiresAtMs,
    granted,
    enforcedBy: granted.scopes.length > 0 && exact ? 'provider' : 'none',
    origins: connection.origins,
    ...about(identity),
  }
}

/** What a token response says about whose token it is. */
export function about(identity: GrantIdentity): Partial<MintedToken> {
  const { externalSubject, installationId, tenantId, name } = identity
  return {
    ...(externalSubject === undefined ? {} : { externalSubject }),
    ...(installationId === undefined ? {} : { installationId }),
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(name === undefined ? {} : { name }),
  }
}

function partAbove(
  connection: IssuingConnection,
  credential: GrantCredential,
  request: MintRequest,
): string | undefined {
  const { granted } = credential
  const carried = [...consentScopes, ...granted.scopes]
  const scope = request.scopes.find((each) => !carried.includes(each))
  if (scope !== undefined) return `the scope ${quoted(scope)}`
  const resource = request.resources.find((each) => !granted.resources.includes(each))
  if (resource !== undefined) return `the resource ${quoted(resource)}`
  const { audience } = rememberedBy(credential)
  const audiences = audience.length === 0 ? [connection.defaultAudience] : audience
  const other = request.audience.find((each) => !audiences.includes(each))
  if (other !== undefined) return `the audience ${quoted(other)}`
  const forms = granted.authorizationDetails.map(form)
  const detail = request.authorizationDetails.find((each) => !forms.includes(form(each)))
  return detail === undefined ? undefined : `authorizationDetails of type ${quoted(detail.type)}`
}

function form(detail: JsonObject): string {
  return JSON.stringify(canonical(detail))
}
