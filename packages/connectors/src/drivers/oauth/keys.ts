import { createPrivateKey, type KeyObject } from 'node:crypto'
import { type CryptoKey, importPKCS8 } from 'jose'
import { InvalidSettings } from '../../driver.ts'

export const algorithms = ['RS256', 'PS256', 'ES256'] as const

/** A private key by which a connector signs, as it is stored. */
export interface SigningKey {
  /** PKCS#8. */
  readonly privateKeyPem: string
  readonly keyId?: string | undefined
  readonly algorithm: (typeof algorithms)[number]
  /** The `aud` of what it signs. */
  readonly audience?: string | undefined
}

/**
 * A private key as PKCS#8 PEM, fit for `algorithm`. A literal `\n` counts as a line break, as in env files.
 *
 * @throws {InvalidSettings} naming `field`, never its value.
 */
export function parseSigningKey(field: string, text: string, algorithm: (typeof algorithms)[number]): string {
  const key = readKey(text.replaceAll('\\r', '').replaceAll('\\n', '\n').trim())
  if (key === undefined)
    throw new InvalidSettings(`${field} is not a private key in PEM form, without a passphrase`)
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (algorithm === 'ES256' && (type !== 'ec' || details?.namedCurve !== 'prime256v1'))
    throw new InvalidSettings(`${field} is not a P-256 key, which ES256 needs`)
  if (algorithm !== 'ES256' && (type !== 'rsa' || (details?.modulusLength ?? 0) < 2048))
    throw new InvalidSettings(`${field} is not an RSA key of at least 2048 bits, which ${algorithm} needs`)
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** The key for WebCrypto, in the form openid-client takes. */
export async function importKey(
  key: SigningKey,
): Promise<{ readonly key: CryptoKey; readonly kid?: string }> {
  return {
    key: await importPKCS8(key.privateKeyPem, key.algorithm),
    ...(key.keyId === undefined ? {} : { kid: key.keyId }),
  }
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, format: 'pem' })
  } catch {
    // OpenSSL's reason is left out: it may quote the input.
    return undefined
  }
}
