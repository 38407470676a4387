import { writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'

/** What of the engine is used. */
interface Engine {
  readonly PGlite: {
    create(dataDir: string): Promise<{
      dumpDataDir(compression: 'gzip'): Promise<Blob>
      close(): Promise<void>
    }>
  }
}

/**
 * Writes an empty database of the engine at `module` to `path`. Making one takes seconds of work; whoever starts a broker in a
 * new folder gets a copy of this one.
 */
export async function writeEmptyDatabase(module: string, path: string): Promise<void> {
  const { PGlite } = (await import(pathToFileURL(module).href)) as Engine
  const database = await PGlite.create('memory://')
  const archive = await database.dumpDataDir('gzip')
  await database.close()
  await writeFile(path, Buffer.from(await archive.arrayBuffer()))
}
