import { SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { createCheckpointSigner, readCheckpoints, verifyCheckpoint } from './checkpoint.ts'
import { makeKey, publicUrl } from './test-databases.ts'

const heads = [{ chain: 'a', seq: 3, hash: 'ab'.repeat(32) }]
const key = await makeKey()
const sign = createCheckpointSigner({ key, publicUrl, now: () => 1_700_000_000_999 })

function part(jws: string, index: number): unknown {
  return JSON.parse(Buffer.from(jws.split('.')[index] ?? '', 'base64url').toString())
}

it('signs issuer, second and heads, under its own type and key', async () => {
  const jws = await sign(heads)
  expect(part(jws, 0)).toEqual({ alg: 'ES256', typ: 'vk-checkpoint+jwt', kid: 'checkpoint-1' })
  expect(part(jws, 1)).toEqual({ iss: publicUrl, iat: 1_700_000_000, heads })
  expect(await verifyCheckpoint(jws, { keys: key.keys, issuer: publicUrl })).toEqual({
    trusted: true,
    issuer: publicUrl,
    signedAtMs: 1_700_000_000_000,
    heads,
  })
})

it('S29 trusts no checkpoint that was changed, signed by another key, of another type or of another issuer', async () => {
  const jws = await sign(heads)
  const [header, , signature] = jws.split('.')
  const claims = Buffer.from(JSON.stringify({ iss: publicUrl, iat: 1, heads: [] })).toString('base64url')
  const other = await makeKey()
  const stranger = await makeKey('stranger')
  const claim = () => new SignJWT({ heads }).setIssuer(publicUrl).setIssuedAt(1)
  const headerOf = (typ?: string) => ({ alg: 'ES256', kid: key.kid, ...(typ !== undefined && { typ }) })
  const forged: readonly (readonly [string, string])[] = [
    [`${header}.${claims}.${signature}`, "the checkpoint's signature is wrong"],
    [
      await createCheckpointSigner({ key: other, publicUrl, now: () => 0 })(heads),
      "the checkpoint's signature is wrong",
    ],
    [
      await createCheckpointSigner({ key: stranger, publicUrl, now: () => 0 })(heads),
      'the checkpoint is signed by a key that is not trusted here',
    ],
    [
      await claim().setProtectedHeader(headerOf('vk-id+jwt')).sign(key.privateKey),
      'the signed text is no checkpoint',
    ],
    [await claim().setProtectedHeader(headerOf()).sign(key.privateKey), 'the signed text is no checkpoint'],
    [
      `${Buffer.from('{"alg":"none","typ":"vk-checkpoint+jwt"}').toString('base64url')}.${claims}.`,
      'the text is no checkpoint',
    ],
    ['nonsense', 'the text is no checkpoint'],
  ]
  for (const [text, problem] of forged) {
    expect(await verifyCheckpoint(text, { keys: key.keys })).toEqual({ trusted: false, problem })
  }
  expect(await verifyCheckpoint(jws, { keys: key.keys, issuer: 'https://other.test' })).toEqual({
    trusted: false,
    problem: 'the checkpoint is of another issuer',
  })
  expect(await verifyCheckpoint(jws, { keys: { keys: [] } })).toMatchObject({ trusted: false })
})

it('refuses a signed text without proper heads', async () => {
  for (const bad of [undefined, [{ chain: 'a', seq: -1, hash: 'ab'.repeat(32) }], [{ chain: 'a', seq: 1 }]]) {
    const jws = await new SignJWT({ heads: bad })
      .setProtectedHeader({ alg: 'ES256', typ: 'vk-checkpoint+jwt', kid: key.kid })
      .setIssuer(publicUrl)
      .setIssuedAt(1)
      .sign(key.privateKey)
    expect(await verifyCheckpoint(jws, { keys: key.keys })).toMatchObject({ trusted: false })
  }
})

it('verifies under a retired key among several', async () => {
  const next = await makeKey('checkpoint-2')
  const keys = { keys: [...next.keys.keys, ...key.keys.keys] }
  expect(await verifyCheckpoint(await sign(heads), { keys })).toMatchObject({ trusted: true })
})

it('finds checkpoints in whatever people keep', async () => {
  const [one, two] = [await sign(heads), await sign([])]
  const line = JSON.stringify({ level: 30, msg: 'audit checkpoint', checkpoint: one })
  expect(readCheckpoints(`\n ${one}\n`)).toEqual([one])
  expect(readCheckpoints(line)).toEqual([one])
  expect(readCheckpoints(JSON.stringify({ checkpoint: one }, null, 2))).toEqual([one])
  expect(readCheckpoints(`2026-01-01T00:00:00Z stdout F ${line}\r\n{"msg":"other"}\n${two}\n`)).toEqual([
    one,
    two,
  ])
  const exported = `{"type":"header"}\n{"type":"event","body":"checkpoint"}\n${JSON.stringify({ type: 'checkpoint', jws: two })}\n`
  expect(readCheckpoints(`${exported}${one}`)).toEqual([two, one])
  expect(readCheckpoints('')).toEqual([])
  expect(readCheckpoints('{"checkpoint":5}\nnot a checkpoint {"checkpoint"\n')).toEqual([])
})
