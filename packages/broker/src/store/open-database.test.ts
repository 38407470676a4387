import { createServer } from 'node:net'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { migrate, pendingMigrations } from './migrate.ts'
import { type OpenDatabase, openEmbedded, openPostgres } from './open-database.ts'
import { type TestDatabaseFolder, testDatabaseFolder } from './test-database.ts'
import { startTestPostgres, type TestPostgres } from './test-postgres.ts'

let server: TestPostgres
beforeAll(async () => {
  server = await startTestPostgres()
})
afterAll(async () => {
  await server.stop()
})

const opened: OpenDatabase[] = []
function keep(database: OpenDatabase): OpenDatabase {
  opened.push(database)
  return database
}
afterEach(async () => {
  for (const database of opened.splice(0)) await database.close()
})

const folders: TestDatabaseFolder[] = []
afterAll(() => {
  for (const folder of folders) folder.remove()
})

/** On a copy of a migrated database: making one takes the embedded engine seconds. */
async function openCopy(): Promise<OpenDatabase> {
  const copy = testDatabaseFolder()
  folders.push(copy)
  return keep(await openEmbedded({ folder: copy.folder, log: silentLog }))
}

const openServer = async () => keep(openPostgres({ url: await server.createDatabase(), log: silentLog }))

const engines = {
  pglite: {
    empty: async () => keep(await openEmbedded({ folder: 'memory', log: silentLog })),
    open: openCopy,
  },
  postgres: { empty: openServer, open: openServer },
}

describe.each(Object.entries(engines))('%s', (engine, { empty, open }) => {
  it('has every table of the schema once migrated, and nothing pending', { timeout: 60_000 }, async () => {
    const database = await empty()
    expect(database.engine).toBe(engine)
    const { db } = database
    expect(await migrate(db)).toContain('0001-foundation')
    expect(await migrate(db)).toEqual([])
    expect(await pendingMigrations(db)).toEqual([])
    for (const table of [
      ...([
        'projects',
        'trust_rules',
        'revisions',
        'connectors',
        'attachments',
        'issued_tokens',
        'subject_epochs',
      ] as const),
      ...(['access_tokens', 'signing_keys', 'audit_events', 'audit_checkpoints', 'installation'] as const),
    ]) {
      const count = await db
        .selectFrom(table)
        .select((build) => build.fn.countAll().as('count'))
        .executeTakeFirstOrThrow()
      expect(typeof count.count).toBe('number')
    }
  })

  it('answers 64-bit integers as numbers and json parsed, and refuses what a number can not hold', async () => {
    const { db } = await open()
    await migrate(db)
    const at = 1_763_000_000_123
    await db
      .insertInto('projects')
      .values({ id: 'prj_1', name: 'one', allow_development_identities: true, created_at: at })
      .execute()
    await db
      .insertInto('trust_rules')
      .values({
        id: 'rul_1',
        project_id: 'prj_1',
        environment: 'production',
        issuer: 'https://issuer.example',
        audience: 'https://broker.example',
        claims: JSON.stringify({ sub: ['a "quoted" one', 'b'] }),
        max_age_seconds: 60,
        created_at: at,
      })
      .execute()
    const rule = await db.selectFrom('trust_rules').selectAll().executeTakeFirstOrThrow()
    expect(rule.created_at).toBe(at)
    expect(rule.claims).toEqual({ sub: ['a "quoted" one', 'b'] })
    const project = await db.selectFrom('projects').selectAll().executeTakeFirstOrThrow()
    expect(project.allow_development_identities).toBe(true)

    const big = sql<{ value: number }>`select 9007199254740993::bigint as value`
    await expect(big.execute(db)).rejects.toThrow('out of range')
    const fine = await sql<{ value: number }>`select (-9007199254740991)::bigint as value`.execute(db)
    expect(fine.rows).toEqual([{ value: -9_007_199_254_740_991 }])
  })

  it('keeps a transaction to itself while other queries run', async () => {
    const { db } = await open()
    await migrate(db)
    const names = async () => await db.selectFrom('revisions').select('name').orderBy('name').execute()
    const failing = db.transaction().execute(async (transaction) => {
      await transaction.insertInto('revisions').values({ name: 'undone', value: 1 }).execute()
      const outside = db.insertInto('revisions').values({ name: 'kept', value: 2 }).execute()
      await new Promise((resolve) => setTimeout(resolve, 50))
      // Awaited after the rollback: with one connection it has to wait for it.
      void outside.catch(() => {})
      throw new Error('rolled back')
    })
    await expect(failing).rejects.toThrow('rolled back')
    await expect.poll(names).toEqual([{ name: 'kept' }, { name: 'trust' }])
  })

  it('can be closed twice, and before its first query', async () => {
    const { close } = await open()
    await close()
    await close()
  })
})

describe('openPostgres', () => {
  it('lets two replicas migrate one database at the same moment', { timeout: 30_000 }, async () => {
    const url = await server.createDatabase()
    const replicas = [1, 2].map(() => keep(openPostgres({ url, log: silentLog })))
    const applied = await Promise.all(replicas.map(({ db }) => migrate(db)))
    expect(applied.flat().sort()).toEqual([
      '0001-foundation',
      '0002-consent',
      '0003-grants-by-account',
      '0004-trust-refusals',
    ])
  })

  it('stops a statement that runs longer than its limit and goes on', async () => {
    const url = await server.createDatabase()
    const { db } = keep(openPostgres({ url, statementTimeoutMs: 200, maxConnections: 1, log: silentLog }))
    await expect(sql`select pg_sleep(5)`.execute(db)).rejects.toMatchObject({ code: '57014' })
    expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }])
  })

  it('says who it is to the server', async () => {
    const { db } = keep(openPostgres({ url: await server.createDatabase(), log: silentLog }))
    const name = await sql<{ name: string }>`select current_setting('application_name') as name`.execute(db)
    expect(name.rows).toEqual([{ name: 'valetkey' }])
  })

  it('survives a connection cut between two statements of a transaction, and the next query works', async () => {
    const url = await server.createDatabase()
    const messages: string[] = []
    const log = (_level: string, message: string) => void messages.push(message)
    const { db } = keep(openPostgres({ url, maxConnections: 1, log }))
    const other = keep(openPostgres({ url, log: silentLog }))
    const cut = db.transaction().execute(async (transaction) => {
      const pid = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction)
      await sql`select pg_terminate_backend(${pid.rows[0]?.pid})`.execute(other.db)
      await expect.poll(() => messages).toContain('a database connection was lost')
      await sql`select 1`.execute(transaction)
    })
    await expect(cut).rejects.toMatchObject({ name: 'DatabaseUnreachable' })
    expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }])
  })

  it('reports a query whose connection was cut as a lost connection', async () => {
    const url = await server.createDatabase()
    const { db } = keep(openPostgres({ url, log: silentLog }))
    const other = keep(openPostgres({ url, log: silentLog }))
    const waiting = expect(sql`select pg_sleep(5)`.execute(db)).rejects.toMatchObject({
      name: 'DatabaseUnreachable',
      code: '57P01',
    })
    const kill = sql<{ done: boolean }>`
      select pg_terminate_backend(pid) as done from pg_stat_activity
      where query = 'select pg_sleep(5)' and datname = current_database()`
    await expect.poll(async () => (await kill.execute(other.db)).rows.length).toBe(1)
    await waiting
  })

  it('says so when every connection stays busy', { timeout: 20_000 }, async () => {
    const url = await server.createDatabase()
    const { db } = keep(openPostgres({ url, maxConnections: 1, log: silentLog }))
    const busy = sql`select pg_sleep(6)`.execute(db)
    await expect(sql`select 1`.execute(db)).rejects.toThrow(
      'All 1 database connections stayed busy for 5 seconds',
    )
    await busy
  })

  const closedPort = 'postgres://somebody:hunter2secret@127.0.0.1:1/valetkey'
  it.each([
    ['a port where nothing listens', () => closedPort, /127\.0\.0\.1:1 refused the connection: start/],
    [
      'an unknown host',
      () => closedPort.replace('127.0.0.1', 'nowhere.invalid'),
      /host nowhere\.invalid was not/,
    ],
    [
      'a wrong password',
      () => server.url.replace(/:[0-9a-f]{24}@/, ':hunter2secret@'),
      /refused the user or password/,
    ],
    ['an unknown database', () => server.url.replace(/postgres$/, 'missing'), /has no database "missing"/],
    ['a server without TLS', () => `${server.url}?sslmode=verify-full`, /does not offer TLS/],
  ])('fails clearly and soon for %s', async (_case, url, message) => {
    const { db } = keep(openPostgres({ url: url(), log: silentLog }))
    const started = Date.now()
    const error = await sql`select 1`.execute(db).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(Date.now() - started).toBeLessThan(6_000)
    expect(error).toMatchObject({ name: 'DatabaseUnreachable', message: expect.stringMatching(message) })
    expect(String(error instanceof Error ? error.stack : '')).not.toMatch(/hunter2secret|[0-9a-f]{24}/)
  })

  it('fails within 6 s when something listens and says nothing', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { db } = keep(openPostgres({ url: `postgres://a:b@127.0.0.1:${port}/c`, log: silentLog }))
    const started = Date.now()
    await expect(sql`select 1`.execute(db)).rejects.toThrow('did not answer within 5 seconds')
    expect(Date.now() - started).toBeLessThan(6_000)
    silent.close()
  })

  it.each([
    'localhost:5432/valetkey',
    'mysql://a:hunter2secret@localhost/x',
    '',
    'postgres://a:hunter2secret#@localhost:port/x',
    'postgres://a:hunter2secret@localhost/x?sslrootcert=/nowhere.pem',
  ])('refuses a DATABASE_URL that is none, without repeating it: %s', (url) => {
    const error = (() => {
      try {
        keep(openPostgres({ url, log: silentLog }))
      } catch (reason) {
        return reason
      }
    })()
    expect(error).toMatchObject({
      name: 'DatabaseUnreachable',
      message: expect.stringContaining('DATABASE_URL'),
    })
    expect(String(error)).not.toContain('hunter2secret')
  })
})
