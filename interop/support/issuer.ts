import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'

/** An identity issuer on loopback that signs whatever it is told. */
export interface TestIssuer {
  readonly url: string
  identity(claims: Readonly<Record<string, unknown>>, audience: string): Promise<string>
  close(): Promise<void>
}

/** Starts one; `answer` may serve routes of its own, beside discovery and keys. */
export async function startIssuer(
  options: {
    readonly algorithm?: 'ES256' | 'RS256'
    readonly ttlSeconds?: number
    readonly answer?: (request: IncomingMessage, issuer: TestIssuer) => Promise<object | undefined>
  } = {},
): Promise<TestIssuer> {
  const { algorithm = 'ES256', ttlSeconds = 300, answer } = options
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: algorithm, use: 'sig' }
  const server = createServer(async (request, response) => {
    const body =
      documentAt(request.url ?? '', issuer.url, jwk, algorithm) ?? (await answer?.(request, issuer))
    response
      .writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(body ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer: TestIssuer = {
    url,
    identity: (claims, audience) =>
      sign(privateKey, algorithm, { ...claims, iss: url, aud: audience }, ttlSeconds),
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return issuer
}

function documentAt(path: string, issuer: string, jwk: object, algorithm: string): object | undefined {
  if (path === '/.well-known/openid-configuration')
    return { issuer, jwks_uri: `${issuer}/jwks`, id_token_signing_alg_values_supported: [algorithm] }
  return path === '/jwks' ? { keys: [jwk] } : undefined
}

function sign(
  key: CryptoKey,
  alg: string,
  claims: Record<string, unknown>,
  ttlSeconds: number,
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg, kid: 'key-1', typ: 'JWT' })
    .setIssuedAt()
    .setExpirationTime(`${ttlSeconds}s`)
    .sign(key)
}
