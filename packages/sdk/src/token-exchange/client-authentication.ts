import { type ClientAuth, ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt } from 'openid-client'
import { readFields } from '../consent/read-fields.ts'
import { invalidRequest } from '../errors/connect-error.ts'
import { checkId, mustBe, optional } from '../request/check-values.ts'
import type { ClientAuthentication } from './types.ts'

/** Who asks, besides the workload that the identity names. */
export interface ExchangeClient {
  readonly id: string
  readonly authenticate: ClientAuth
}

/** Sends no client at all: the identity is the proof. The id is for openid-client, which wants one. */
const nobody: ExchangeClient = { id: 'anonymous', authenticate: () => {} }

/** The client that the settings describe. */
export function clientOf(given: {
  readonly clientId?: unknown
  readonly clientSecret?: unknown
  readonly clientKey?: unknown
  readonly clientAuthentication?: unknown
}): ExchangeClient {
  const { clientKey: key } = given
  const id = optional(given.clientId, checkId, 'config.clientId')
  const secret = optional(given.clientSecret, checkId, 'config.clientSecret')
  const method = optional(given.clientAuthentication, checkMethod, 'config.clientAuthentication')
  if (id === undefined) {
    if (secret !== undefined || key !== undefined || (method ?? 'none') !== 'none')
      throw mustBe('config.clientId', 'given where a client authenticates')
    return nobody
  }
  if (secret !== undefined && key !== undefined)
    throw invalidRequest('config.clientSecret and config.clientKey exclude each other')
  return { id, authenticate: authenticationBy(method ?? usualMethod(secret, key), secret, key) }
}

/** Of the two for a secret, the one that every server has to know (RFC 6749 §2.3.1). */
function usualMethod(secret: string | undefined, key: unknown): ClientAuthentication {
  if (secret !== undefined) return 'client_secret_basic'
  return key === undefined ? 'none' : 'private_key_jwt'
}

function authenticationBy(
  method: ClientAuthentication,
  secret: string | undefined,
  key: unknown,
): ClientAuth {
  if (method === 'none') {
    if (secret !== undefined || key !== undefined)
      throw mustBe('config.clientAuthentication', 'one that uses the secret or the key')
    return None()
  }
  if (method === 'private_key_jwt') return byKey(key)
  if (secret === undefined) throw mustBe('config.clientSecret', `given for ${method}`)
  return method === 'client_secret_basic' ? ClientSecretBasic(secret) : ClientSecretPost(secret)
}

function byKey(value: unknown): ClientAuth {
  const given =
    value instanceof CryptoKey ? { key: value } : readFields(value, 'config.clientKey', ['key', 'kid'])
  const { key } = given
  if (!(key instanceof CryptoKey) || key.type !== 'private' || !key.usages.includes('sign'))
    throw mustBe('config.clientKey', 'a private CryptoKey that may sign, or one with its kid')
  const kid = optional('kid' in given ? given.kid : undefined, checkId, 'config.clientKey.kid')
  return PrivateKeyJwt(kid === undefined ? key : { key, kid })
}

const methods: readonly ClientAuthentication[] = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
]

function checkMethod(value: unknown, name: string): ClientAuthentication {
  const method = methods.find((known) => known === value)
  if (method === undefined) throw mustBe(name, `one of ${methods.join(', ')}`)
  return method
}
