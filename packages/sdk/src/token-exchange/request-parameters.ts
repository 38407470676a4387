import type { TokenRequest } from '@valetkey/protocol'
import { readFields } from '../consent/read-fields.ts'
import { ConnectError, identityUnavailable, invalidRequest } from '../errors/connect-error.ts'
import { checkId, checkStrings, mustBe, optional } from '../request/check-values.ts'
import type { CheckedConfig } from './check-config.ts'

/** `grant_type` of RFC 8693. */
export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

const jwtTypes: readonly string[] = ['id_token', 'jwt'].map(
  (name) => `urn:ietf:params:oauth:token-type:${name}`,
)

/** A token request in the parameters of RFC 8693 §2.1. */
export interface ExchangeParameters {
  readonly form: URLSearchParams
  readonly scopes: readonly string[]
  readonly resources: readonly string[]
}

/**
 * Spells a token request as RFC 8693 does.
 *
 * @throws {ConnectError} `invalid_request` for what has no parameter there: left out, the token would be another one
 *   than was asked for. `forbidden` for a connector that `target` does not know.
 */
export function exchangeParameters(
  config: CheckedConfig,
  connector: string,
  request: TokenRequest,
  credential: string,
): ExchangeParameters {
  const { subjectTokenType, requestedTokenType } = config
  if (jwtTypes.includes(subjectTokenType) && credential.split('.').length !== 3)
    throw identityUnavailable('A token exchange takes an OIDC ID token, and the identity is none')
  if (request.installationId !== undefined)
    throw inexpressible('installationId', 'attach a connector to one installation instead')
  if (request.audience !== undefined) throw inexpressible('audience', 'it is where the connector goes')
  const target = targetOf(config, connector, request)
  const scopes = [...new Set([...target.scopes, ...(request.scopes ?? []).map(checkScope)])]
  const resources = [...new Set([...target.resources, ...(request.resources ?? [])])]

  const form = new URLSearchParams()
  form.set('subject_token', credential)
  form.set('subject_token_type', subjectTokenType)
  if (requestedTokenType !== undefined) form.set('requested_token_type', requestedTokenType)
  for (const audience of target.audiences) form.append('audience', audience)
  for (const resource of resources) form.append('resource', resource)
  if (scopes.length > 0) form.set('scope', scopes.join(' '))
  if (request.authorizationDetails !== undefined)
    form.set('authorization_details', JSON.stringify(request.authorizationDetails))
  if (target.requestedSubject !== undefined) form.set('requested_subject', target.requestedSubject)
  return { form, scopes, resources }
}

interface Target {
  readonly audiences: readonly string[]
  readonly resources: readonly string[]
  readonly scopes: readonly string[]
  readonly requestedSubject: string | undefined
}

function targetOf(config: CheckedConfig, connector: string, request: TokenRequest): Target {
  const { subject } = request
  if (subject.type !== 'app' && subject.type !== 'user')
    throw inexpressible(`a subject of type '${subject.type}'`, "only 'app' and 'user' can be asked for")
  const target = mappedTarget(config.target, connector, request)
  // A server ignores parameters it does not know (RFC 6749 §3.2): every user would get the app's own token.
  if ((subject.type === 'user') !== (target.requestedSubject !== undefined))
    throw subject.type === 'user'
      ? inexpressible("a subject of type 'user'", 'config.target has to name its requestedSubject')
      : invalidRequest('config.target names a requestedSubject for a call that is not on behalf of a user')
  return target
}

const targetNames = ['audience', 'resource', 'scope', 'requestedSubject'] as const

function mappedTarget(map: CheckedConfig['target'], connector: string, request: TokenRequest): Target {
  let mapped: unknown
  try {
    mapped = map(connector, request)
  } catch (error) {
    // Anything else may quote anything, and would read as a fault that passes.
    throw error instanceof ConnectError ? error : invalidRequest('config.target threw')
  }
  if (mapped === undefined)
    throw new ConnectError('The settings of the token exchange name no target for this connector', {
      code: 'forbidden',
    })
  const given = readFields(mapped, 'what config.target returns', targetNames)
  const audiences = optional(given.audience, checkList, 'audience of config.target') ?? []
  const resources = optional(given.resource, checkList, 'resource of config.target') ?? []
  const scopes = optional(given.scope, checkList, 'scope of config.target') ?? []
  if (audiences.length + resources.length + scopes.length === 0)
    throw mustBe('what config.target returns', 'an audience, a resource or a scope')
  return {
    audiences,
    resources,
    scopes: scopes.flatMap((text) => text.split(' ')).map(checkScope),
    requestedSubject: optional(given.requestedSubject, checkId, 'requestedSubject of config.target'),
  }
}

function checkList(value: unknown, name: string): readonly string[] {
  return typeof value === 'string' ? [checkId(value, name)] : checkStrings(value, name)
}

/** One scope of RFC 6749 §3.3: a space in it would make two. */
function checkScope(scope: string): string {
  if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))
    throw mustBe('each scope', 'a scope of RFC 6749 section 3.3')
  return scope
}

function inexpressible(what: string, instead: string): ConnectError {
  return invalidRequest(`RFC 8693 has no parameter for ${what}: ${instead}`)
}
