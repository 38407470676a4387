import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

/** An issuer in memory for tests: its documents by an injected `fetch`, its tokens by `sign`. */
export interface FakeIssuer {
  readonly issuer: string
  /** Every URL that was asked for. */
  readonly asked: string[]
  readonly fetch: typeof globalThis.fetch
  /** What the documents say; change it to misbehave. */
  readonly documents: { configuration: Record<string, unknown>; keySet: unknown }
  /** Set to answer every request with it instead. */
  answer: (() => Response | Promise<Response>) | undefined
  /** Adds a key to the published set, or only makes it. */
  addKey(kid: string, options?: { readonly published?: boolean }): Promise<void>
  sign(
    claims: Record<string, unknown>,
    header?: { readonly kid?: string } & Record<string, unknown>,
  ): Promise<string>
}

/** Creates an issuer with one published ES256 (or other) key called `first`. */
export async function createFakeIssuer(issuer: string, algorithm = 'ES256'): Promise<FakeIssuer> {
  const keys = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>['privateKey']>()
  const published: JWK[] = []
  const asked: string[] = []
  const base = issuer.replace(/\/$/, '')
  const fake: FakeIssuer = {
    issuer,
    asked,
    answer: undefined,
    documents: {
      configuration: {
        issuer,
        jwks_uri: `${base}/keys`,
        id_token_signing_alg_values_supported: [algorithm],
      },
      keySet: { keys: published },
    },
    fetch: async (input) => {
      asked.push(String(input))
      if (fake.answer !== undefined) return fake.answer()
      if (String(input) === `${base}/.well-known/openid-configuration`) {
        return Response.json(fake.documents.configuration)
      }
      if (input === fake.documents.configuration.jwks_uri) return Response.json(fake.documents.keySet)
      return new Response('', { status: 404 })
    },
    async addKey(kid, options) {
      const pair = await generateKeyPair(algorithm, { extractable: true })
      keys.set(kid, pair.privateKey)
      if (options?.published !== false)
        published.push({ ...(await exportJWK(pair.publicKey)), kid, use: 'sig' })
    },
    async sign(claims, header = {}) {
      const { kid = 'first', ...rest } = header
      const key = keys.get(kid)
      if (key === undefined) throw new Error(`no key ${kid}`)
      return new SignJWT(claims).setProtectedHeader({ alg: algorithm, kid, ...rest }).sign(key)
    },
  }
  await fake.addKey('first')
  return fake
}

/** A compact token of any header and payload text, with a signature that is only filler. */
export function craftToken(header: string | object, payload: string | object, signature = 'c2ln'): string {
  const encode = (part: string | object) =>
    Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
  return `${encode(header)}.${encode(payload)}.${signature}`
}
