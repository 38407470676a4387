import { lstat, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readEnvironmentFile } from '../env-file/merge.ts'
import type { Shell } from '../shell.ts'
import { type Finding, ok, warn } from './finding.ts'

/** Whether git leaves the data folder and the pulled identity alone, and nobody else can read them. */
export async function checkFiles(shell: Shell): Promise<readonly Finding[]> {
  return [
    ...(await checkDataFolder(join(shell.folder, '.valetkey'), shell.userId)),
    ...(await checkEnvironmentFile(shell)),
  ]
}

async function checkDataFolder(folder: string, userId: number | undefined): Promise<readonly Finding[]> {
  const found = await lstat(folder).catch(() => undefined)
  if (found === undefined) return []
  const ignored = /^\*\s*$/m.test(await textOf(join(folder, '.gitignore')))
  const closed = await openToOthers(join(folder, 'keys'), userId)
  return [
    ignored
      ? ok('git', '.valetkey is ignored by git')
      : warn('git', '.valetkey is not ignored by git: it holds keys', "echo '*' > .valetkey/.gitignore"),
    ...(closed === undefined
      ? []
      : [
          closed
            ? warn('permissions', 'Others can read .valetkey/keys', 'chmod 600 .valetkey/keys')
            : ok('permissions', '.valetkey/keys is readable by you only'),
        ]),
  ]
}

async function checkEnvironmentFile(shell: Shell): Promise<readonly Finding[]> {
  const path = join(shell.folder, '.env.local')
  const text = await textOf(path)
  if (readEnvironmentFile(text, ['VALETKEY_ID_TOKEN']).VALETKEY_ID_TOKEN === undefined) return []
  const name = '.env.local'
  return [
    (await isIgnored(shell.folder))
      ? ok(name, '.env.local is ignored by git')
      : warn(
          name,
          'No .gitignore names .env.local, which holds an identity',
          "echo '.env.local' >> .gitignore",
        ),
    (await openToOthers(path, shell.userId)) === true
      ? warn('permissions', 'Others can read .env.local', 'chmod 600 .env.local')
      : ok('permissions', '.env.local is readable by you only'),
  ]
}

/** Looked up in the files and not asked of git: a folder from elsewhere can configure git to run commands. */
async function isIgnored(folder: string): Promise<boolean> {
  const lines = (await textOf(join(folder, '.gitignore'))).split(/\r?\n/).map((line) => line.trim())
  if (
    lines.some((line) =>
      /^(?:\/|\*\*\/)?(?:\.env\.local|\.env\*|\.env\.\*|\.env\*\.local|\*\.local)$/.test(line),
    )
  )
    return true
  const parent = dirname(folder)
  if ((await lstat(join(folder, '.git')).catch(() => undefined)) !== undefined) return false
  // Above the top of every repository: git never looks at the file at all.
  return parent === folder || (await isIgnored(parent))
}

async function openToOthers(path: string, userId: number | undefined): Promise<boolean | undefined> {
  const found = await lstat(path).catch(() => undefined)
  return found === undefined || userId === undefined ? undefined : (found.mode & 0o077) !== 0
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '')
}
