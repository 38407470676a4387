import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isLoopback, normalizeAddress } from './address.ts'
import { writePrivateFile } from './private-file.ts'

/** Content of `dev.json`: where a running development broker is and its owner's token of this run. */
export interface DevelopmentFile {
  readonly url: string
  readonly accessToken: string
  readonly pid: number
}

/** Reads the content of a `dev.json`; a text says why it can't be used. */
export function parseDevelopmentFile(text: string): DevelopmentFile | string {
  const value = parsed(text)
  if (value === undefined) return 'it is not a JSON object'
  const { url, accessToken, pid } = value
  if (typeof url !== 'string' || !URL.canParse(url)) return 'it holds no url'
  const address = new URL(url)
  // A cloned folder could otherwise send commands, and the secrets in them, to a stranger's machine.
  if (address.protocol !== 'http:' || !isLoopback(address)) return 'its url is not http on this machine'
  if (address.username !== '' || address.password !== '' || /[?#]/.test(url)) return 'its url is not valid'
  if (typeof accessToken !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(accessToken))
    return 'it holds no access token'
  return { url: normalizeAddress(url), accessToken, pid: typeof pid === 'number' ? pid : 0 }
}

/** Writes `<folder>/dev.json`, mode 0600. */
export async function writeDevelopmentFile(folder: string, file: DevelopmentFile): Promise<void> {
  await writePrivateFile(join(folder, 'dev.json'), () => `${JSON.stringify(file, null, 2)}\n`)
}

/** Removes `<folder>/dev.json` if it is still `file`: another broker may have written its own since. */
export function removeDevelopmentFile(folder: string, file: DevelopmentFile): void {
  const path = join(folder, 'dev.json')
  try {
    const current = parsed(readFileSync(path, 'utf8'))
    if (current?.pid === file.pid && current.accessToken === file.accessToken) rmSync(path, { force: true })
  } catch {
    // Already gone, or no longer ours to read: nothing to remove.
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}
