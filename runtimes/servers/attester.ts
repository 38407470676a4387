import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'

/** Signs as a broker signs its webhooks. */
export interface Attester {
  readonly publicJwk: object
  /** The `Authorization` header of a webhook with this body and destination, from the issuing point at `base`. */
  attest(base: string, webhook: Readonly<Record<string, unknown>>): string
}

/** A broker's signing key, made for this run. */
export function createAttester(): Attester {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256', use: 'sig' },
    attest(base, { body, destination }) {
      const iat = Math.floor(Date.now() / 1000)
      const claims = {
        iss: base,
        aud: new URL(String(destination)).origin,
        project: { id: 'prj_1', name: 'shop' },
        environment: 'production',
        destination,
        request: 'crq_1',
        connector: { id: 'scl_1', uid: 'weather/mybot' },
        digest: `sha-256=${createHash('sha256').update(String(body)).digest('base64url')}`,
        iat,
        exp: iat + 60,
        jti: randomUUID(),
      }
      const signed = `${encode({ alg: 'ES256', typ: 'vk-trigger+jwt', kid: 'key-1' })}.${encode(claims)}`
      const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      return `Bearer ${signed}.${signature.toString('base64url')}`
    },
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
