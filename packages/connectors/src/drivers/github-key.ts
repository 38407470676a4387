import { createPrivateKey, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { InvalidSettings } from '../driver.ts'

/**
 * A GitHub App's private key, as PKCS#8 PEM, from the PKCS#1 file that GitHub gives out or from PKCS#8.
 *
 * A literal `\n` counts as a line break: that is how env files carry a PEM in one line.
 *
 * @throws {InvalidSettings} one sentence for each way in which it is not such a key.
 */
export function parsePrivateKey(text: string): string {
  const pem = text.replaceAll('\\r', '').replaceAll('\\n', '\n').trim()
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type:\s*4,ENCRYPTED/.test(pem))
    throw new InvalidSettings('privateKeyPem is protected by a passphrase: enter the key without one')
  if (/BEGIN (RSA )?PUBLIC KEY|BEGIN CERTIFICATE|^ssh-/.test(pem))
    throw new InvalidSettings('privateKeyPem is a public key: enter the private key that GitHub generated')
  const key = readKey(pem)
  if (key?.asymmetricKeyType !== 'rsa')
    throw new InvalidSettings('privateKeyPem is not an RSA private key in PEM form')
  // RS256 with less is refused by every JOSE library, and by GitHub.
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
    throw new InvalidSettings('privateKeyPem is an RSA key of less than 2048 bits')
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/**
 * A JWT by which the app itself speaks to GitHub, for nine minutes.
 *
 * GitHub takes at most ten; `iat` lies a minute back, for clocks that run ahead of GitHub's.
 */
export async function signAppToken(appId: string, privateKeyPem: string, now: number): Promise<string> {
  const nowSeconds = Math.floor(now / 1000)
  return await new SignJWT()
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .setIssuer(appId)
    .setIssuedAt(nowSeconds - 60)
    .setExpirationTime(nowSeconds + 540)
    .sign(createPrivateKey(privateKeyPem))
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, format: 'pem' })
  } catch {
    // OpenSSL's reason is left out: it may quote the input.
    return undefined
  }
}
