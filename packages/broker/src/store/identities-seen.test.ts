import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readIdentitiesSeen } from './identities-seen.ts'
import { type OpenDatabase, openEmbedded } from './open-database.ts'
import { testDatabaseFolder } from './test-database.ts'

const nowMs = 1_800_000_000_000
const dayMs = 86_400_000
const folder = testDatabaseFolder()
let database: OpenDatabase

beforeAll(async () => {
  database = await openEmbedded({ folder: folder.folder, log: () => {} })
})
afterAll(async () => {
  await database.close()
  folder.remove()
})

/** So many events, one a millisecond up to `lastAt`; the subject is the number in its chain modulo `subjects`. */
async function insert(
  chain: string,
  events: {
    readonly count: number
    readonly lastAt: number
    readonly subjects: number
    readonly kind?: string
    /** Null: no rule admitted them. */
    readonly projectId?: string | null
  },
): Promise<void> {
  const { count, lastAt, subjects, kind = 'identity_seen', projectId = 'prj_1' } = events
  await sql`
    insert into audit_events (chain, seq, at, kind, project_id, body, previous_hash, hash)
    select ${chain}::text, n, ${lastAt}::bigint - ${count}::bigint + n, ${kind}::text, ${projectId}::text,
      jsonb_build_object('details', jsonb_build_object(
        'issuer', 'https://issuer.example', 'subject', ${chain}::text || (n % ${subjects}::integer)::text,
        'audience', 'a', 'claims', jsonb_build_object('ref', 'main'), 'lifeSeconds', n, 'outcome', 'admitted'))::text,
      '', ''
    from generate_series(1, ${count}::integer) as n`.execute(database.db)
}

const subjects = async () =>
  (await readIdentitiesSeen(database.db, nowMs)).identities.map(({ subject }) => subject).sort()

it('reads each identity of the last thirty days once, as it was seen last', async () => {
  await insert('old', { count: 3, lastAt: nowMs - 30 * dayMs - 1, subjects: 1 })
  await insert('new', { count: 6, lastAt: nowMs, subjects: 2 })
  await insert('other', { count: 3, lastAt: nowMs, subjects: 3, kind: 'token_issued' })
  await sql`
    insert into audit_events (chain, seq, at, kind, body, previous_hash, hash)
    values ('bad', 1, ${nowMs}, 'identity_seen', '{', '', ''), ('bad', 2, ${nowMs}, 'identity_seen', '{"details":7}', '', '')`.execute(
    database.db,
  )
  expect(await subjects()).toEqual(['new0', 'new1'])
  const { identities, since } = await readIdentitiesSeen(database.db, nowMs)
  expect(identities[0]).toMatchObject({ subject: 'new0', lifeSeconds: 6 })
  expect(since).toBe(nowMs - 30 * dayMs)
})

it('reads no more than the newest events, and says how far back they go', async () => {
  await insert('many', { count: 105, lastAt: nowMs, subjects: 105 })
  const { identities, since } = await readIdentitiesSeen(database.db, nowMs, {
    maxEvents: 100,
    pageEvents: 10,
  })
  expect(identities).toHaveLength(100)
  expect(identities.at(-1)?.subject).toBe('many6')
  expect(since).toBe(nowMs - 99)
})

it('S29 strangers do not push out those who are admitted', async () => {
  await sql`delete from audit_events`.execute(database.db)
  await insert('own', { count: 3, lastAt: nowMs - dayMs, subjects: 3 })
  await insert('stranger', { count: 200, lastAt: nowMs, subjects: 200, projectId: null })
  const { identities } = await readIdentitiesSeen(database.db, nowMs, { maxEvents: 100, pageEvents: 10 })
  expect(identities.filter(({ subject }) => subject.startsWith('own'))).toHaveLength(3)
  expect(identities).toHaveLength(23)
})
