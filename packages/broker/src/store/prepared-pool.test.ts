import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type OpenDatabase, openPostgres } from './open-database.ts'
import { startTestPostgres, type TestPostgres } from './test-postgres.ts'

let server: TestPostgres
beforeAll(async () => {
  server = await startTestPostgres()
})
afterAll(async () => {
  await server.stop()
})

const opened: OpenDatabase[] = []
const warnings: string[] = []
afterEach(async () => {
  warnings.length = 0
  for (const database of opened.splice(0)) await database.close()
})

/** One connection, so that what is prepared on it can be looked at. */
function connect(url: string): OpenDatabase['db'] {
  const database = openPostgres({
    url,
    maxConnections: 1,
    log: (level, message) => void (level === 'warn' && warnings.push(message)),
  })
  opened.push(database)
  return database.db
}

type Database = OpenDatabase['db']

async function prepared(db: Database): Promise<{ name: string; statement: string }[]> {
  const found = await sql<{ name: string; statement: string }>`
    select name, statement from pg_prepared_statements order by prepare_time`.execute(db)
  return found.rows
}

async function item(db: Database): Promise<unknown> {
  return (await sql`select * from items where id = ${1}`.execute(db)).rows
}

async function makeItems(db: Database): Promise<void> {
  await sql`create table items (id integer, name text)`.execute(db)
  await sql`insert into items values (1, 'one')`.execute(db)
}

describe('preparedPool', () => {
  it('prepares a statement with parameters once per connection, under a name made from its text', async () => {
    const url = await server.createDatabase()
    const db = connect(url)
    await makeItems(db)
    for (const id of [1, 1, 2]) await sql`select name from items where id = ${id}`.execute(db)
    const statements = await prepared(db)
    expect(statements).toEqual([
      { name: expect.stringMatching(/^vk_[\w-]{32}$/), statement: 'select name from items where id = $1' },
    ])
    const other = connect(url)
    await sql`select name from items where id = ${3}`.execute(other)
    expect(await prepared(other)).toEqual(statements)
  })

  it('prepares nothing when the URL says prepare=false, and sends no session settings then', async () => {
    const db = connect(`${await server.createDatabase()}?prepare=false`)
    await makeItems(db)
    expect(await item(db)).toEqual([{ id: 1, name: 'one' }])
    expect(await prepared(db)).toEqual([])
    const timeout = await sql<{
      value: string
    }>`select current_setting('statement_timeout') as value`.execute(db)
    expect(timeout.rows).toEqual([{ value: '0' }])
  })

  it('keeps a bounded number of statements and sends long ones unnamed', async () => {
    const db = connect(await server.createDatabase())
    for (let index = 0; index < 350; index += 1)
      await sql`select ${sql.lit(index)}, ${index}::int`.execute(db)
    const list = Array.from({ length: 2_000 }, (_, index) => index)
    await sql`select 1 where 1 in (${sql.join(list)})`.execute(db)
    expect((await prepared(db)).length).toBe(300)
  })

  it('goes on when a migration changes what a prepared statement returns', async () => {
    const url = await server.createDatabase()
    const db = connect(url)
    await makeItems(db)
    await item(db)
    await sql`alter table items add column more integer default 5`.execute(connect(url))
    expect(await item(db)).toEqual([{ id: 1, name: 'one', more: 5 }])
    expect(await item(db)).toEqual([{ id: 1, name: 'one', more: 5 }])
    expect(await prepared(db)).toHaveLength(1)
  })

  it('fails one transaction, not every later one, when a migration comes between', async () => {
    const url = await server.createDatabase()
    const db = connect(url)
    await makeItems(db)
    await item(db)
    await sql`alter table items add column more integer default 5`.execute(connect(url))
    const read = () => db.transaction().execute(async (transaction) => await item(transaction))
    await expect(read()).rejects.toMatchObject({ code: '0A000' })
    expect(await read()).toEqual([{ id: 1, name: 'one', more: 5 }])
  })

  it('notices a pooler that gives it other connections, goes on without preparing, and says so', async () => {
    const db = connect(await server.createDatabase())
    await makeItems(db)
    await item(db)
    await sql`deallocate all`.execute(db)
    expect(await item(db)).toEqual([{ id: 1, name: 'one' }])
    expect(warnings).toEqual([expect.stringContaining('add prepare=false to DATABASE_URL')])
    expect(await item(db)).toEqual([{ id: 1, name: 'one' }])
    expect(await prepared(db)).toEqual([])
  })

  it('does not send a statement twice that failed for its own reasons', async () => {
    const db = connect(await server.createDatabase())
    await sql`create table once (id integer primary key, tries integer)`.execute(db)
    await sql`create sequence tries`.execute(db)
    const insert = () => sql`insert into once values (${1}, nextval('tries'))`.execute(db)
    await insert()
    await expect(insert()).rejects.toMatchObject({ code: '23505' })
    const next = await sql<{ next: number }>`select nextval('tries') as next`.execute(db)
    expect(next.rows).toEqual([{ next: 3 }])
  })
})
