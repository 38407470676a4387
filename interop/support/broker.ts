import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBroker } from '@valetkey/broker'
import {
  createLocalAccessToken,
  type HostOptions,
  type Log,
  startDevelopmentBroker,
  startServer,
} from '@valetkey/broker/host'
import { putDatabase } from './migrated.ts'
import { createOperator, type Operator } from './operator.ts'

/** A broker in this process, and its owner. */
export interface TestBroker {
  readonly url: string
  readonly owner: Operator
  close(): Promise<void>
}

const silent: Log = () => {}

/** What `valetkey dev` starts, on a port of its own. */
export async function startDevelopment(): Promise<TestBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  putDatabase(folder)
  const running = await startDevelopmentBroker({ port: 0, dataDir: folder, ephemeral: false, log: silent })
  return {
    url: running.url,
    owner: createOperator(running.url, running.accessToken ?? ''),
    async close() {
      await running.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** What `valetkey serve` starts, on the embedded database, with `variables` for its environment. */
export async function startServe(
  variables: Readonly<Record<string, string>>,
  log: Log = silent,
): Promise<TestBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  putDatabase(folder)
  const options: HostOptions = { environment: { PORT: '0', ...variables }, dataDir: folder, log }
  const { token } = await createLocalAccessToken({ ...options, role: 'owner' })
  const running = await startServer(options)
  return {
    url: running.url,
    owner: createOperator(running.url, token),
    async close() {
      await running.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A broker as a library, without a port, and the `fetch` that reaches it. */
export interface LibraryBroker extends TestBroker {
  readonly fetch: typeof globalThis.fetch
}

/** What an application embeds with `createBroker`. */
export async function startLibrary(
  config: Partial<Parameters<typeof createBroker>[0]> = {},
): Promise<LibraryBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  putDatabase(folder)
  const keys = `k1:${randomBytes(32).toString('base64')}`
  const environment = { VALETKEY_KEYS: keys }
  const { token } = await createLocalAccessToken({ environment, dataDir: folder, log: silent, role: 'owner' })
  const url = config.publicUrl ?? 'http://127.0.0.1:4570'
  const broker = createBroker({ publicUrl: url, database: { folder }, keys, ...config })
  await broker.start()
  const fetch: typeof globalThis.fetch = (input, init) => broker.fetch(new Request(input, init))
  return {
    url,
    owner: createOperator(url, token, fetch),
    fetch,
    async close() {
      await broker.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
