import { looksLikeAccessToken } from '../authenticate/access-token.ts'
import { fail, failRepeated, type OAuthOutcome } from '../gateway/oauth-error.ts'
import type { Parameters } from '../gateway/parameters.ts'
import { whyNotPlain } from '../http/plain-json.ts'
import { parseStrictObject } from '../strict-json.ts'

/** `grant_type` of RFC 8693. */
export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

const type = 'urn:ietf:params:oauth:token-type'
/** `issued_token_type` of every answer, and the only `requested_token_type`. */
export const issuedTokenType: string = `${type}:access_token`
const subjectTokenTypes: readonly (string | undefined)[] = [`${type}:id_token`, `${type}:jwt`]

/** Parameters that RFC 8693 §2.1 and RFC 8707 §2 let a client repeat. */
const mayRepeat = ['audience', 'resource']

/** A token exchange in the words of the token request that it is. */
export interface ParsedExchange {
  /** The identity. */
  readonly credential: string
  readonly connector: string
  /** As the body of `POST /v1/connect/token/{connector}`. */
  readonly body: Readonly<Record<string, unknown>>
  /** What `scope` named; undefined when it was absent. */
  readonly scopes: readonly string[] | undefined
}

/** Reads the parameters of RFC 8693 §2.1. What the connector makes of them is decided with the token request. */
export function parseExchange(parameters: Parameters): OAuthOutcome<ParsedExchange> {
  const repeated = parameters.firstRepeated(mayRepeat)
  if (repeated !== undefined) return failRepeated(repeated)
  if (parameters.get('actor_token') !== undefined || parameters.get('actor_token_type') !== undefined)
    return fail('invalid_request', 'actor_token: delegation is not supported')
  const requested = parameters.get('requested_token_type')
  if (requested !== undefined && requested !== issuedTokenType)
    return fail('invalid_request', `requested_token_type: only ${issuedTokenType} is issued`)

  const credential = parameters.get('subject_token')
  if (credential === undefined) return fail('invalid_request', 'subject_token is missing: the identity')
  if (!subjectTokenTypes.includes(parameters.get('subject_token_type')))
    return fail('invalid_request', `subject_token_type must be ${subjectTokenTypes.join(' or ')}`)
  // Neither type names the broker's own access tokens, and a token of one kind never passes for another.
  if (looksLikeAccessToken(credential)) return fail('invalid_request', 'subject_token is not a JWT')

  const audiences = parameters.all('audience')
  const [connector] = audiences
  if (connector === undefined)
    return fail('invalid_request', 'audience is missing: the id or UID of a connector')
  if (audiences.length > 1) return fail('invalid_target', 'audience: one token is for one connector')

  const details = parseDetails(parameters.get('authorization_details'))
  if (!details.ok) return details
  const scopes = parameters.get('scope')?.split(' ')
  if (scopes?.includes('') === true)
    return fail('invalid_scope', 'scope: scopes are parted by one space (RFC 6749 §3.3)')
  const user = parameters.get('requested_subject')
  const resources = parameters.all('resource')
  return {
    ok: true,
    value: {
      credential,
      connector,
      scopes,
      body: {
        subject: user === undefined ? { type: 'app' } : { type: 'user', id: user },
        ...(scopes === undefined ? {} : { scopes }),
        ...(resources.length === 0 ? {} : { resources }),
        ...(details.value === undefined ? {} : { authorizationDetails: details.value }),
      },
    },
  }
}

/** `authorization_details` (RFC 9396 §2): a JSON array of objects with a `type`. */
function parseDetails(text: string | undefined): OAuthOutcome<readonly unknown[] | undefined> {
  if (text === undefined) return { ok: true, value: undefined }
  // The strict parser reads objects: the array becomes the one member of one.
  const whole = parseStrictObject(`{"details":${text}}`) ?? {}
  const { details } = whole
  const alone = Object.keys(whole).length === 1
  if (!alone || !Array.isArray(details) || details.length === 0 || !details.every(hasType))
    return fail('invalid_authorization_details', 'authorization_details: not a JSON array of typed objects')
  const fault = whyNotPlain(details)
  if (fault !== undefined) return fail('invalid_authorization_details', `authorization_details: it ${fault}`)
  return { ok: true, value: details }
}

function hasType(detail: unknown): boolean {
  return typeof detail === 'object' && detail !== null && typeof Reflect.get(detail, 'type') === 'string'
}
