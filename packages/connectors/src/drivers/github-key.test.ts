import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { InvalidSettings } from '../driver.ts'
import { parsePrivateKey, signAppToken } from './github-key.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const pkcs1 = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()

describe('a private key', () => {
  test.each([
    ['PKCS#1, as GitHub gives it out', pkcs1],
    ['PKCS#8', pkcs8],
    ['on one line with literal \\n, as in an env file', pkcs1.replaceAll('\n', '\\n')],
    ['with Windows line ends and white space around it', `\n ${pkcs8.replaceAll('\n', '\r\n')} \n`],
  ])('is accepted: %s', (_title, text) => {
    expect(parsePrivateKey(text)).toBe(pkcs8)
  })

  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey
  const locked = { format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const
  test.each([
    ['', 'privateKeyPem is not an RSA private key in PEM form'],
    ['not a key', 'privateKeyPem is not an RSA private key in PEM form'],
    [
      '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----',
      'privateKeyPem is not an RSA private key',
    ],
    [publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'privateKeyPem is a public key'],
    [publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(), 'privateKeyPem is a public key'],
    ['ssh-rsa AAAAB3NzaC1yc2E', 'privateKeyPem is a public key'],
    [
      privateKey.export({ ...locked, type: 'pkcs8' }).toString(),
      'privateKeyPem is protected by a passphrase',
    ],
    [
      privateKey.export({ ...locked, type: 'pkcs1' }).toString(),
      'privateKeyPem is protected by a passphrase',
    ],
    [ec.export({ type: 'pkcs8', format: 'pem' }).toString(), 'privateKeyPem is not an RSA private key'],
    [pss.export({ type: 'pkcs8', format: 'pem' }).toString(), 'privateKeyPem is not an RSA private key'],
    [small.export({ type: 'pkcs8', format: 'pem' }).toString(), 'less than 2048 bits'],
  ])('%# that is not one gets a sentence of its own, which does not quote it', (text, message) => {
    expect(() => parsePrivateKey(text)).toThrow(InvalidSettings)
    expect(() => parsePrivateKey(text)).toThrow(message)
    const body = text.split('\n')[1]
    if (body) expect(() => parsePrivateKey(text)).not.toThrow(body)
  })
})

test('the JWT of an app is RS256, names the app, and lives for nine minutes from now', async () => {
  const now = Date.parse('2026-11-21T12:00:00.900Z')
  const token = await signAppToken('12345', pkcs8, now)
  const { payload, protectedHeader } = await jwtVerify(token, createPublicKey(createPrivateKey(pkcs8)), {
    algorithms: ['RS256'],
    currentDate: new Date(now),
  })
  const seconds = Math.floor(now / 1000)
  expect(payload).toEqual({ iss: '12345', iat: seconds - 60, exp: seconds + 540 })
  expect(protectedHeader.alg).toBe('RS256')
})
