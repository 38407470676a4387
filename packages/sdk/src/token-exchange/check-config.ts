import { readFields } from '../consent/read-fields.ts'
import { parseIssuingPointUrl } from '../issuing-point/parse-issuing-point-url.ts'
import { checkFunction, checkId, mustBe, optional } from '../request/check-values.ts'
import { clientOf, type ExchangeClient } from './client-authentication.ts'
import type { TokenExchangeConfig } from './types.ts'

/** The settings of a token exchange, copied, with their defaults. */
export interface CheckedConfig {
  /** The issuer, else the endpoint: its name in the cache. */
  readonly id: string
  /** Where credentials are sent, and nowhere else. */
  readonly origin: string
  readonly audience: string
  readonly issuer: string
  /** Absent: it is discovered. */
  readonly tokenEndpoint: string | undefined
  readonly client: ExchangeClient
  readonly subjectTokenType: string
  readonly requestedTokenType: string | undefined
  readonly target: NonNullable<TokenExchangeConfig['target']>
  readonly now: () => number
}

const names = [
  'issuer',
  'tokenEndpoint',
  'audience',
  'clientId',
  'clientSecret',
  'clientKey',
  'clientAuthentication',
  'subjectTokenType',
  'requestedTokenType',
  'target',
  'now',
] as const

export function checkConfig(config: TokenExchangeConfig): CheckedConfig {
  const given = readFields(config, 'config', names)
  const issuer = optional(given.issuer, checkIssuer, 'config.issuer')
  const endpoint = optional(given.tokenEndpoint, checkAddress, 'config.tokenEndpoint')
  const named = issuer ?? endpoint
  if (named === undefined) throw mustBe('config.issuer', 'given, or config.tokenEndpoint')
  return {
    id: named.base,
    origin: (endpoint ?? named).origin,
    audience: optional(given.audience, checkId, 'config.audience') ?? issuer?.base ?? named.origin,
    issuer: named.text,
    tokenEndpoint: endpoint?.text,
    client: clientOf(given),
    subjectTokenType:
      optional(given.subjectTokenType, checkTokenType, 'config.subjectTokenType') ??
      'urn:ietf:params:oauth:token-type:id_token',
    requestedTokenType: optional(given.requestedTokenType, checkTokenType, 'config.requestedTokenType'),
    target:
      optional(given.target, checkFunction<CheckedConfig['target']>, 'config.target') ??
      ((connector) => ({ audience: connector })),
    now: optional(given.now, checkFunction<() => number>, 'config.now') ?? Date.now,
  }
}

interface Address {
  /** Without a trailing slash. */
  readonly base: string
  /** As it was given: what is compared may tell a trailing slash from none. */
  readonly text: string
  readonly origin: string
}

function checkAddress(value: unknown, name: string): Address {
  const { base, origin } = parseIssuingPointUrl(value, name)
  return { base, origin, text: String(value) }
}

function checkIssuer(value: unknown, name: string): Address {
  const address = checkAddress(value, name)
  // The document at such an address may name any issuer, so nothing would tie it to this one.
  if (address.text.includes('/.well-known/'))
    throw mustBe(name, 'an issuer identifier, without /.well-known/')
  return address
}

function checkTokenType(value: unknown, name: string): string {
  const type = checkId(value, name)
  if (!URL.canParse(type)) throw mustBe(name, 'a URI (RFC 8693 section 3)')
  return type
}
