import { jwtVerify, SignJWT } from 'jose'
import type { Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { migrate } from '../store/migrate.ts'
import { type OpenDatabase, openPostgres } from '../store/open-database.ts'
import type { Schema } from '../store/schema.ts'
import { startTestPostgres, type TestPostgres } from '../store/test-postgres.ts'
import { generateKey, parseKeyRing } from './key-ring.ts'
import { loadSigningKey, type SigningPurpose } from './signing-keys.ts'

const ring = parseKeyRing(generateKey(0).text)
const now = 1_763_000_000_000
let server: TestPostgres
let database: OpenDatabase
let db: Kysely<Schema>
beforeAll(async () => {
  server = await startTestPostgres()
  database = openPostgres({ url: await server.createDatabase(), log: silentLog })
  db = database.db
  await migrate(db)
})
afterAll(async () => {
  await database?.close()
  await server.stop()
})
beforeEach(async () => {
  await db.deleteFrom('signing_keys').execute()
})

describe('loadSigningKey', () => {
  it('makes a key once, and its signatures verify with the public half', async () => {
    const key = await loadSigningKey(db, ring, 'development-identity', now)
    const again = await loadSigningKey(db, ring, 'development-identity', now + 1)
    expect(again.kid).toBe(key.kid)
    expect(key.publicJwk).toEqual({
      ...{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig', kid: key.kid },
      ...{ x: expect.any(String), y: expect.any(String) },
    })
    const jwt = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: key.kid }).sign(key.privateKey)
    await expect(jwtVerify(jwt, again.publicKey)).resolves.toBeDefined()
    expect(key.privateKey.extractable).toBe(false)
  })

  it('S38 gives each purpose a key of its own', async () => {
    const identity = await loadSigningKey(db, ring, 'development-identity', now)
    const checkpoint = await loadSigningKey(db, ring, 'audit-checkpoint', now)
    expect(identity.kid).not.toBe(checkpoint.kid)
  })

  it('gives eight replicas that start at once the same key', async () => {
    const keys = await Promise.all(
      Array.from({ length: 8 }, () => loadSigningKey(db, ring, 'audit-checkpoint', now)),
    )
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(1)
    expect(await db.selectFrom('signing_keys').select('id').execute()).toEqual([{ id: keys[0]?.kid }])
  })

  it('S25 stores the private half sealed only', async () => {
    await loadSigningKey(db, ring, 'audit-checkpoint', now)
    const row = await db.selectFrom('signing_keys').selectAll().executeTakeFirstOrThrow()
    expect(row.private_jwk).toMatch(/^v1\./)
    expect(row.public_jwk).not.toHaveProperty('d')
    expect(row).toMatchObject({ algorithm: 'ES256', created_at: now, purpose: 'audit-checkpoint' })
  })

  it('S38 a key relabelled in the database to another purpose does not open', async () => {
    await loadSigningKey(db, ring, 'development-identity', now)
    await db.updateTable('signing_keys').set({ purpose: 'audit-checkpoint' }).execute()
    await expect(loadSigningKey(db, ring, 'audit-checkpoint', now)).rejects.toMatchObject({
      name: 'SealBroken',
    })
  })

  it('does not accept a public half that was exchanged in the database', async () => {
    const purposes: SigningPurpose[] = ['development-identity', 'audit-checkpoint']
    const [key, foreign] = await Promise.all(
      purposes.map((purpose) => loadSigningKey(db, ring, purpose, now)),
    )
    await db
      .updateTable('signing_keys')
      .set({ public_jwk: JSON.stringify(foreign?.publicJwk) })
      .where('purpose', '=', 'development-identity')
      .execute()
    const loaded = await loadSigningKey(db, ring, 'development-identity', now)
    expect(loaded.publicJwk).toEqual(key?.publicJwk)
  })

  it('S25 names the key that is missing from the ring', async () => {
    await loadSigningKey(db, ring, 'audit-checkpoint', now)
    const other = parseKeyRing(generateKey(0).text)
    await expect(loadSigningKey(db, other, 'audit-checkpoint', now)).rejects.toMatchObject({
      name: 'KeyMissing',
      keyId: ring.primaryId,
    })
  })
})
