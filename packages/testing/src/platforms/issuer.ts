import { generateKeyPair, type KeyObject, randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import jws from 'jws'
import type { PlatformAnswer, PlatformRequest } from './http-server.ts'

export type Algorithm = 'ES256' | 'RS256'
export type Claims = Readonly<Record<string, unknown>>

/** What signs a platform's tokens, and publishes its keys. */
export interface Issuer {
  /** A JWT (RFC 7519) with these claims and no others. */
  sign(claims: Claims): string
  /** The claims of a token that this issuer signed, or undefined. */
  read(token: unknown): Claims | undefined
  /** Discovery (OpenID Connect Discovery 1.0) and keys (RFC 7517), or undefined for another path. */
  publish(request: PlatformRequest, issuer: string): PlatformAnswer | undefined
}

const generate = promisify(generateKeyPair)
const keyId = 'key-1'

/**
 * Makes one, with a key of its own. By jws and not by jose, which signs asynchronously: a token in an environment
 * variable is made while the variable is read.
 */
export async function createIssuer(algorithm: Algorithm): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeys(algorithm)
  const key = { ...publicKey.export({ format: 'jwk' }), kid: keyId, alg: algorithm, use: 'sig' }
  const publicPem = publicKey.export({ format: 'pem', type: 'spki' })
  // It throws for what is no token at all.
  const isOwn = (token: string): boolean => jws.isValid(token) && jws.verify(token, algorithm, publicPem)
  return {
    sign: (claims) =>
      jws.sign({
        header: { alg: algorithm, kid: keyId, typ: 'JWT' },
        payload: claims,
        privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }),
      }),
    read(token) {
      if (typeof token !== 'string' || !isOwn(token)) return undefined
      // Of a token whose header says `JWT`, it is an object.
      return jws.decode(token)?.payload as Claims | undefined
    },
    publish({ url }, issuer) {
      const base = new URL(issuer).pathname.replace(/\/$/, '')
      if (url.pathname === `${base}/.well-known/jwks.json`) return { body: { keys: [key] } }
      if (url.pathname !== `${base}/.well-known/openid-configuration`) return undefined
      return {
        body: {
          issuer,
          jwks_uri: `${issuer}/.well-known/jwks.json`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: [algorithm],
        },
      }
    },
  }
}

function generateKeys(algorithm: Algorithm): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  return algorithm === 'ES256'
    ? generate('ec', { namedCurve: 'P-256' })
    : generate('rsa', { modulusLength: 2048 })
}

/** An id of one token, where the platform writes `jti`. */
export const freshId: () => string = randomUUID
