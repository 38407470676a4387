import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestBroker } from './broker.ts'

/** What somebody with access to the database's files, and to nothing else, can do. */
export interface Intruder {
  readonly query: (
    text: string,
    values?: readonly unknown[],
  ) => Promise<readonly Readonly<Record<string, unknown>>[]>
}

interface Engine {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  close(): Promise<void>
}

// The embedded engine is the broker's dependency and not ours: resolved from its package.
const require = createRequire(fileURLToPath(new URL('../../packages/broker/package.json', import.meta.url)))

/** Stops the broker, lets `work` loose on its database, and starts it again. */
export async function intrude<Result>(
  broker: TestBroker,
  work: (intruder: Intruder) => Promise<Result>,
): Promise<Result> {
  await broker.stop()
  try {
    return await withDatabase(broker.folder, work)
  } finally {
    await broker.start()
  }
}

/** Opens the database of a broker that is stopped. */
export async function withDatabase<Result>(
  folder: string,
  work: (intruder: Intruder) => Promise<Result>,
): Promise<Result> {
  const { PGlite }: { PGlite: { create(folder: string): Promise<Engine> } } = require('@electric-sql/pglite')
  const engine = await PGlite.create(join(folder, 'db'))
  try {
    return await work({ query: async (text, values = []) => (await engine.query(text, [...values])).rows })
  } finally {
    await engine.close()
  }
}
