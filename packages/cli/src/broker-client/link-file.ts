import { join } from 'node:path'
import { addressProblem, normalizeAddress } from './address.ts'
import { createDataFolder, writePrivateFile } from './private-file.ts'

/** Content of `link.json`: the broker, and perhaps the project, of a folder. */
export interface LinkFile {
  readonly url: string
  readonly project?: string
}

/**
 * Reads the content of a `link.json`; a text says why it can't be used.
 *
 * The file carries the number of its own inode. A folder from an archive can bring a link with the right owner and
 * mode, and the next command would send `VALETKEY_ACCESS_TOKEN` wherever it points; it can't foretell the inode.
 */
export function parseLinkFile(text: string, inode: string): LinkFile | string {
  const value = parsed(text)
  if (value === undefined) return 'it is not a JSON object'
  if (typeof value.url !== 'string') return 'it holds no url'
  const problem = addressProblem(value.url)
  if (problem !== undefined) return `its url ${problem}`
  if (value.inode !== inode) return 'it was copied here and not written by `valetkey link`'
  const url = normalizeAddress(value.url)
  return typeof value.project === 'string' ? { url, project: value.project } : { url }
}

/** Writes `.valetkey/link.json` in `folder` and returns its path. */
export async function writeLinkFile(folder: string, link: LinkFile): Promise<string> {
  const data = join(folder, '.valetkey')
  await createDataFolder(data)
  const path = join(data, 'link.json')
  await writePrivateFile(path, (inode) => `${JSON.stringify({ ...link, inode }, null, 2)}\n`)
  return path
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}
