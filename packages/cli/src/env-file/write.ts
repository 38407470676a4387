import { lstat, readFile } from 'node:fs/promises'
import { writePrivateFile } from '../broker-client/private-file.ts'
import { failed, systemCode } from '../failure.ts'
import { mergeEnvironmentFile } from './merge.ts'

const maximumBytes = 1_048_576

/**
 * Sets `values` in the `.env` file at `path`, in one step, mode 0600.
 *
 * @throws {Failure} when the path is a symlink: a cloned folder could point it at any file of the user's.
 */
export async function updateEnvironmentFile(
  path: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    // The value comes from a server: a line end in it would set further variables, NODE_OPTIONS for one.
    if (!/^[A-Za-z0-9._~:/?&=%@[\]+-]+$/.test(value))
      throw failed('invalid_response', `The broker sent a value for ${name} that can't be written to ${path}`)
  }
  const found = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (found !== undefined && !found.isFile())
    throw failed('conflict', `${path} is not a plain file, so nothing was written`, 'Move it away first.')
  if (found !== undefined && found.size > maximumBytes)
    throw failed('too_large', `${path} is larger than 1 MiB, so nothing was written`)
  const content = found === undefined ? new Uint8Array() : await readFile(path)
  await writePrivateFile(path, mergeEnvironmentFile(content, values))
}
