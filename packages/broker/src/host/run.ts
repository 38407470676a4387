import { join } from 'node:path'
import type { Role } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { assembleBroker, type BrokerConfig } from '../create-broker.ts'
import type { Log } from '../log.ts'
import { storeAccessToken } from '../manage/access-tokens.ts'
import { generateKey } from '../secrets/key-ring.ts'
import { rotateKeys } from '../secrets/rotate.ts'
import { removeEphemeralAccessTokens } from '../store/access-tokens.ts'
import { dataFolderKeys } from '../store/data-folder.ts'
import { migrate } from '../store/migrate.ts'
import { type OpenDatabase, openEmbedded, openPostgres } from '../store/open-database.ts'
import {
  checkDatabaseUrl,
  hasEmbeddedData,
  readServerSettings,
  readStore,
  type Variables,
  variable,
} from './environment.ts'
import { exportTraces } from './export-traces.ts'
import { toHostError } from './host-error.ts'
import { type Listener, listen } from './listen.ts'
import { replacePrivateFile } from './private-file.ts'

/** A broker that answers on a port of this machine. */
export interface RunningBroker {
  /** Public URL, no trailing slash. */
  readonly url: string
  /** The owner's access token of this run. Development brokers only. */
  readonly accessToken?: string
  /** Finishes requests in flight, signs the last checkpoint, closes the database. */
  close(): Promise<void>
}

/** What every host command is told. */
export interface HostOptions {
  readonly environment: Variables
  readonly dataDir: string
  readonly log: Log
}

/** Starts the embedded broker on 127.0.0.1, with a new owner's token. @throws {HostError} */
export async function startDevelopmentBroker(options: {
  readonly port: number
  readonly dataDir: string
  /** Data and keys in memory only. */
  readonly ephemeral: boolean
  readonly log: Log
  /** Read for `OTEL_*` alone. Default: empty. */
  readonly environment?: Variables
}): Promise<RunningBroker> {
  return explained(async () => {
    const listener = await listen({ port: options.port, hostname: '127.0.0.1' })
    return await closingOnFailure(listener, async () => {
      const url = `http://127.0.0.1:${listener.port}`
      const store: Pick<BrokerConfig, 'database' | 'keys'> = options.ephemeral
        ? { database: 'memory', keys: generateKey(Date.now()).text }
        : {
            database: { folder: options.dataDir },
            keys: await dataFolderKeys(options.dataDir, { hasData: hasEmbeddedData(options.dataDir) }),
          }
      const config = { ...store, publicUrl: url, development: true, log: options.log }
      const running = await run(listener, config, options.environment ?? {})
      const accessToken = await makeOwner(running.context)
      return { url, accessToken, close: running.close }
    })
  })
}

/** Starts a server as its environment says. @throws {HostError} */
export async function startServer(options: HostOptions): Promise<RunningBroker> {
  return explained(async () => {
    const settings = await readServerSettings(options.environment, options.dataDir)
    const listener = await listen(settings)
    return await closingOnFailure(listener, async () => {
      const publicUrl = settings.publicUrl ?? `http://127.0.0.1:${listener.port}`
      const config = { ...settings.broker, publicUrl, log: options.log }
      const running = await run(listener, config, options.environment)
      return { url: running.context.publicUrl, close: running.close }
    })
  })
}

/** Brings the database to this build's schema and returns what was applied. @throws {HostError} */
export async function migrateDatabase(
  options: HostOptions,
): Promise<{ readonly applied: readonly string[] }> {
  return explained(async () => {
    const { log, dataDir } = options
    const url = variable(options.environment, 'DATABASE_URL')
    if (url !== undefined) checkDatabaseUrl(url)
    // With a folder its keys are made first: a database without them would refuse every later start.
    if (url === undefined) await readStore(url, variable(options.environment, 'VALETKEY_KEYS'), dataDir)
    // A migration may take longer than any request.
    const database =
      url === undefined
        ? await openEmbedded({ folder: dataDir, log })
        : openPostgres({ url, log, statementTimeoutMs: 0 })
    try {
      return { applied: await migrate(database.db) }
    } finally {
      await database.close()
    }
  })
}

/** Makes an operator's access token without asking anyone: whoever is on the host may. @throws {HostError} */
export async function createLocalAccessToken(
  options: HostOptions & { readonly role: Role },
): Promise<{ readonly id: string; readonly token: string; readonly role: Role }> {
  const { role } = options
  return withContext(options, async (context) => {
    const about = { actor: { type: 'host' }, action: 'access-token.create' } as const
    await context.audit.append({ ...about, kind: 'management_intended', details: { role } })
    const { row, secret } = await storeAccessToken(context.db, {
      holder: { role },
      ephemeral: false,
      expiresAt: null,
      now: context.now(),
    })
    await context.audit.append({ ...about, kind: 'management_done', details: { role, id: row.id } })
    return { id: row.id, token: secret, role }
  })
}

/**
 * Re-wraps everything at rest with the first key. For a server that is the first of `VALETKEY_KEYS`; for a folder a
 * new key is made, and the old ones are dropped once nothing needs them.
 *
 * @throws {HostError}
 */
export async function rotateHostKeys(
  options: HostOptions & {
    readonly onProgress?: (done: { readonly table: string; readonly rewrapped: number }) => void
  },
): Promise<{
  readonly keyId: string
  readonly rewrapped: Readonly<Record<string, number>>
  readonly complete: boolean
}> {
  const { environment, dataDir, log } = options
  const ownKeys = ['DATABASE_URL', 'VALETKEY_KEYS'].every((name) => variable(environment, name) === undefined)
  const rotate = async (context: BrokerContext) => {
    const rotation = await rotateKeys(context.db, context.keyRing, {
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    })
    const { primaryId: keyId } = context.keyRing
    const { complete, tables } = rotation
    // A table may have several sealed columns.
    const rewrapped: Record<string, number> = {}
    for (const each of tables) rewrapped[each.table] = (rewrapped[each.table] ?? 0) + each.rewrapped
    const details = { keyId, rewrapped, complete }
    await context.audit.append({ kind: 'keys_rotated', actor: { type: 'host' }, details })
    return details
  }
  if (!ownKeys) return withContext(options, rotate)

  return explained(async () => {
    const hasData = hasEmbeddedData(dataDir)
    // The folder first: of two who change the key file at once, one would lose the keys of the other.
    const database = await openEmbedded({ folder: dataDir, log })
    const keysFile = join(dataDir, 'keys')
    const next = generateKey(Date.now()).text
    const keys = await closingOnFailure(database, async () => {
      const both = `${next},${(await dataFolderKeys(dataDir, { hasData })).trim()}`
      await replacePrivateFile(keysFile, `${both}\n`)
      return both
    })
    const store = { database: { folder: dataDir }, keys }
    return await withStore(
      options,
      store,
      async () => database,
      async (context) => {
        const result = await rotate(context)
        if (result.complete) await replacePrivateFile(keysFile, `${next}\n`)
        return result
      },
    )
  })
}

/** Runs a broker without a port, for one job on the data that the environment names. */
async function withContext<Result>(
  options: HostOptions,
  job: (context: BrokerContext) => Promise<Result>,
): Promise<Result> {
  return explained(async () => {
    const { environment, dataDir } = options
    const url = variable(environment, 'DATABASE_URL')
    const store = await readStore(url, variable(environment, 'VALETKEY_KEYS'), dataDir)
    return await withStore(options, store, undefined, job)
  })
}

async function withStore<Result>(
  options: HostOptions,
  store: Pick<BrokerConfig, 'database' | 'keys'>,
  opened: (() => Promise<OpenDatabase>) | undefined,
  job: (context: BrokerContext) => Promise<Result>,
): Promise<Result> {
  const publicUrl = variable(options.environment, 'VALETKEY_PUBLIC_URL') ?? 'http://127.0.0.1'
  const { broker, context } = assembleBroker({ ...store, publicUrl, log: options.log }, opened)
  await broker.start()
  try {
    const started = context()
    if (started === undefined) throw new Error('The broker has not started')
    return await job(started)
  } finally {
    await broker.close()
  }
}

async function run(
  listener: Listener,
  config: BrokerConfig & { readonly log: Log },
  environment: Variables,
): Promise<{ readonly context: BrokerContext; close(): Promise<void> }> {
  const traces = await exportTraces(environment, config.log)
  const { broker, context } = assembleBroker(
    traces === undefined ? config : { ...config, tracerProvider: traces.provider },
  )
  // Before it has started: a long migration must not look like a dead process to whoever asks /healthz.
  listener.handle(broker.fetch)
  try {
    await broker.start()
  } catch (error) {
    await traces?.close()
    throw error
  }
  const started = context()
  if (started === undefined) throw new Error('The broker has not started')
  return {
    context: started,
    async close() {
      await listener.close()
      await broker.close()
      await traces?.close()
    },
  }
}

async function makeOwner(context: BrokerContext): Promise<string> {
  await removeEphemeralAccessTokens(context.db)
  const { row, secret } = await storeAccessToken(context.db, {
    holder: { role: 'owner' },
    ephemeral: true,
    expiresAt: null,
    now: context.now(),
  })
  const details = { role: 'owner', id: row.id, ephemeral: true }
  await context.audit.append({
    kind: 'management_done',
    actor: { type: 'host' },
    action: 'access-token.create',
    details,
  })
  return secret
}

async function closingOnFailure<Result>(
  resource: { close(): Promise<void> },
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    await resource.close()
    throw error
  }
}

async function explained<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw toHostError(error)
  }
}
