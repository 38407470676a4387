import type { ServerResponse } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Clock } from './clock.ts'
import { sendJson, startLoopbackServer } from './http.ts'

export type IssuerAlgorithm = 'ES256' | 'RS256'

/** How one of the issuer's two documents is answered instead of truthfully. */
export type Misbehaviour = (response: ServerResponse) => void

/** An OIDC issuer on loopback: tells the truth unless told otherwise, and remembers what it was asked. */
export interface TestIssuer {
  readonly url: string
  /** Paths, in the order they were asked for. */
  readonly requests: string[]
  /** Replaces the answer of the discovery document or the key set. */
  readonly misbehave: { discovery?: Misbehaviour; keys?: Misbehaviour }
  readonly publicJwk: (algorithm: IssuerAlgorithm) => Record<string, unknown>
  readonly privateKey: (algorithm: IssuerAlgorithm) => CryptoKey
  /** The claims that every token has unless overridden; `undefined` leaves one out. */
  readonly claims: (audience: string, changes?: Readonly<Record<string, unknown>>) => Record<string, unknown>
  /** Signs claims as they are. */
  readonly sign: (
    claims: Readonly<Record<string, unknown>>,
    options?: { readonly algorithm?: IssuerAlgorithm; readonly header?: Readonly<Record<string, unknown>> },
  ) => Promise<string>
  /** A good identity with some claims changed. */
  readonly identity: (audience: string, changes?: Readonly<Record<string, unknown>>) => Promise<string>
  /** Replaces both keys and their ids. */
  readonly rotate: () => Promise<void>
  readonly close: () => Promise<void>
}

interface IssuerKey {
  readonly privateKey: CryptoKey
  readonly publicJwk: Record<string, unknown>
}

async function makeKey(algorithm: IssuerAlgorithm, generation: number): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const kid = `${algorithm}-${generation}`
  return { privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' } }
}

export async function startIssuer(clock: Clock): Promise<TestIssuer> {
  let generation = 0
  const makeKeys = async () => {
    generation += 1
    return { ES256: await makeKey('ES256', generation), RS256: await makeKey('RS256', generation) }
  }
  let keys = await makeKeys()
  const requests: string[] = []
  const misbehave: TestIssuer['misbehave'] = {}
  const server = await startLoopbackServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    if (path === '/.well-known/openid-configuration') {
      if (misbehave.discovery !== undefined) return misbehave.discovery(response)
      return sendJson(response, {
        issuer: server.url,
        jwks_uri: `${server.url}/keys`,
        id_token_signing_alg_values_supported: ['ES256', 'RS256'],
      })
    }
    if (path === '/keys') {
      if (misbehave.keys !== undefined) return misbehave.keys(response)
      return sendJson(response, { keys: [keys.ES256.publicJwk, keys.RS256.publicJwk] })
    }
    return sendJson(response, {}, 404)
  })

  const claims: TestIssuer['claims'] = (audience, changes = {}) => {
    const all = {
      iss: server.url,
      sub: 'workload:agent',
      aud: audience,
      iat: clock.seconds(),
      exp: clock.seconds() + 3600,
      ...changes,
    }
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  }
  const sign: TestIssuer['sign'] = (payload, { algorithm = 'ES256', header = {} } = {}) => {
    const key = keys[algorithm]
    const protectedHeader = { alg: algorithm, kid: String(key.publicJwk.kid), typ: 'JWT', ...header }
    return new SignJWT({ ...payload }).setProtectedHeader(protectedHeader).sign(key.privateKey)
  }
  return {
    url: server.url,
    requests,
    misbehave,
    publicJwk: (algorithm) => keys[algorithm].publicJwk,
    privateKey: (algorithm) => keys[algorithm].privateKey,
    claims,
    sign,
    identity: (audience, changes) => sign(claims(audience, changes)),
    rotate: async () => {
      keys = await makeKeys()
    },
    close: server.close,
  }
}
