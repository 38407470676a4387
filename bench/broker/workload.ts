import { createServer } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** An identity issuer on loopback, for one workload. */
export interface WorkloadIssuer {
  readonly url: string
  readonly publicJwk: Record<string, unknown>
  identity(audience: string): Promise<string>
  close(): void
}

export async function startIssuer(): Promise<WorkloadIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const publicJwk = { ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' }
  let url = ''
  const server = createServer((request, response) => {
    const body = request.url?.endsWith('/openid-configuration')
      ? { issuer: url, jwks_uri: `${url}/jwks`, id_token_signing_alg_values_supported: ['ES256'] }
      : { keys: [publicJwk] }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  return {
    url,
    publicJwk,
    identity: (audience) =>
      new SignJWT({ sub: 'workload:bench' })
        .setProtectedHeader({ alg: 'ES256', kid: 'bench', typ: 'JWT' })
        .setIssuer(url)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(privateKey),
    close: () => void server.close(),
  }
}

/** Registers what a token request needs: a project that trusts the issuer, and an API-key connector attached to it. */
export async function register(brokerUrl: string, ownerToken: string, issuerUrl: string): Promise<void> {
  const call = async (path: string, body: object) => {
    const answer = await fetch(`${brokerUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ownerToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
  }
  await call('/v1/projects', { name: 'bench' })
  await call('/v1/projects/bench/trust', {
    environment: 'production',
    issuer: issuerUrl,
    claims: { sub: 'workload:bench' },
  })
  await call('/v1/connect/connectors', {
    service: 'api-key',
    name: 'bench',
    data: { value: 'bench-key', serviceUrls: ['https://api.example.com'] },
  })
  await call('/v1/connect/connectors/api-key%2Fbench/projects/bench', { environments: ['production'] })
}
