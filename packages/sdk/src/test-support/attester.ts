import { base64url, type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { statusAnswer } from './consent.ts'
import { errorOf, fakeFetch } from './fakes.ts'

export const attesterUrl = 'https://broker.example'
export const webhookUrl = 'https://app.example/hooks/consent?a=b'

/** What a broker signs for a consent webhook, `iat` being `nowMs`. */
export async function attestedClaims(body: string, nowMs: number): Promise<Record<string, unknown>> {
  const iat = Math.floor(nowMs / 1000)
  return {
    iss: attesterUrl,
    aud: 'https://app.example',
    project: { id: 'prj_1', name: 'shop' },
    environment: 'production',
    destination: webhookUrl,
    request: 'crq_1',
    connector: { id: 'scl_1', uid: 'linear/mybot' },
    digest: await digestOf(body),
    iat,
    exp: iat + 60,
    jti: crypto.randomUUID(),
  }
}

export async function digestOf(body: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(body))
  return `sha-256=${base64url.encode(new Uint8Array(hash))}`
}

/** A broker that attests, and the fetch that finds its keys. */
export interface Attester {
  readonly fetch: ReturnType<typeof fakeFetch>
  readonly privateKey: CryptoKey
  readonly publicJwk: JWK
  readonly sign: (
    claims: Record<string, unknown>,
    header?: object,
    key?: CryptoKey | Uint8Array,
  ) => Promise<string>
  /** A request as the broker sends it; `body` is the status `active` unless given. */
  readonly request: (more?: {
    readonly claims?: Record<string, unknown>
    readonly header?: object
    readonly body?: string
    readonly nowMs?: number
    readonly url?: string
  }) => Promise<Request>
}

export const activeBody: string = JSON.stringify(statusAnswer('active'))

export async function createAttester(kid = 'key-1'): Promise<Attester> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }
  const fetch = fakeFetch(() => Response.json({ keys: [publicJwk] }))
  const sign: Attester['sign'] = (claims, header = {}, key = privateKey) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'vk-trigger+jwt', kid, ...header }).sign(key)
  return {
    fetch,
    privateKey,
    publicJwk,
    sign,
    async request({ claims, header, body = activeBody, nowMs = Date.now(), url = webhookUrl } = {}) {
      const token = await sign({ ...(await attestedClaims(body, nowMs)), ...claims }, header)
      return webhookRequest(token, body, url)
    },
  }
}

export function webhookRequest(token: string, body: string, url: string = webhookUrl): Request {
  return new Request(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body,
  })
}

/** Why `verifyWebhook` did not accept an attestation: one code for all of them, and a message that quotes nothing. */
export async function refusalReason(verification: Promise<unknown>): Promise<string> {
  const { code, retryable, message } = await errorOf(verification)
  const [, reason] = /^The webhook's attestation was not accepted: (.+)$/.exec(message) ?? []
  if (code !== 'identity_invalid' || retryable || reason === undefined)
    throw new Error(`expected a refusal, got ${code}: ${message}`)
  return reason
}
