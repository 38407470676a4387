import type { Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { checkKeyRing } from '../secrets/canary.ts'
import { generateKey, parseKeyRing } from '../secrets/key-ring.ts'
import { rotateKeys } from '../secrets/rotate.ts'
import { sealedWith } from '../secrets/seal.ts'
import { subjectSecretName } from '../secrets/sealed-columns.ts'
import { migrate } from '../store/migrate.ts'
import { type OpenDatabase, openEmbedded } from '../store/open-database.ts'
import type { Schema } from '../store/schema.ts'
import { testDatabaseFolder } from '../store/test-database.ts'
import { loadSubjectSecret, pairwiseSubject } from './subject.ts'

const [one, two] = [generateKey(0).text, generateKey(1).text]
const before = parseKeyRing(one)
const during = parseKeyRing(`${two},${one}`)
const after = parseKeyRing(two)

const copy = testDatabaseFolder()
let database: OpenDatabase
let db: Kysely<Schema>
beforeAll(async () => {
  database = await openEmbedded({
    folder: copy.folder,
    log: silentLog,
  })
  db = database.db
  await migrate(db)
})
afterAll(async () => {
  await database.close()
  copy.remove()
})
beforeEach(async () => {
  await db.deleteFrom('installation').execute()
  await checkKeyRing(db, before)
})

const person = { projectId: 'prj_1', connectorId: 'scl_1', externalSubject: 'u1' }

async function stored(): Promise<string> {
  const row = await db
    .selectFrom('installation')
    .select('value')
    .where('name', '=', subjectSecretName)
    .executeTakeFirstOrThrow()
  return row.value
}

describe('the secret behind subjects', () => {
  it('is made once, sealed, and the same for replicas that start at once', async () => {
    const secrets = await Promise.all([1, 2, 3].map(() => loadSubjectSecret(db, before)))
    const [subject, ...others] = secrets.map((secret) => pairwiseSubject(secret, person))
    expect(others).toEqual([subject, subject])
    expect(sealedWith(await stored())).toBe(before.primaryId)
  })

  it('S25 is wrapped anew by a rotation, and names everybody as before', async () => {
    const subject = pairwiseSubject(await loadSubjectSecret(db, before), person)
    const rotation = await rotateKeys(db, during)
    expect(rotation.complete).toBe(true)
    expect(sealedWith(await stored())).toBe(after.primaryId)
    await checkKeyRing(db, after)
    expect(pairwiseSubject(await loadSubjectSecret(db, after), person)).toBe(subject)
  })

  it('S25 keeps its key asked for until it is rotated', async () => {
    await loadSubjectSecret(db, before)
    await db.deleteFrom('installation').where('name', '<>', subjectSecretName).execute()
    await expect(checkKeyRing(db, after)).rejects.toThrow('encrypted data')
  })

  it('is another one for another installation', async () => {
    const first = pairwiseSubject(await loadSubjectSecret(db, before), person)
    await db.deleteFrom('installation').where('name', '=', subjectSecretName).execute()
    expect(pairwiseSubject(await loadSubjectSecret(db, before), person)).not.toBe(first)
  })
})

describe('a subject', () => {
  it('is of one project, one connector and one person, and tells nothing of them', async () => {
    const secret = await loadSubjectSecret(db, before)
    const subject = pairwiseSubject(secret, person)
    expect(subject).toMatch(/^[\w-]{43}$/)
    const others = [
      { ...person, projectId: 'prj_2' },
      { ...person, connectorId: 'scl_2' },
      { ...person, externalSubject: 'u2' },
      { ...person, tenantId: 't1' },
      { ...person, tenantId: 't2' },
      { projectId: 'prj_1","scl_1', connectorId: 'u1', externalSubject: '' },
    ].map((other) => pairwiseSubject(secret, other))
    expect(new Set([subject, ...others]).size).toBe(7)
    expect(pairwiseSubject(secret, { ...person })).toBe(subject)
    expect(pairwiseSubject(secret, { ...person, tenantId: '' })).toBe(subject)
  })
})
