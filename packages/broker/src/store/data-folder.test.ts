import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseKeyRing } from '../secrets/key-ring.ts'
import { dataFolderKeys } from './data-folder.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-keys-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('dataFolderKeys', () => {
  it('makes a key on first use, for its owner alone, and answers it ever after', async () => {
    const data = join(folder, 'new')
    const text = await dataFolderKeys(data, { hasData: false })
    expect(parseKeyRing(text).ids).toHaveLength(1)
    expect((await stat(join(data, 'keys'))).mode & 0o777).toBe(0o600)
    expect((await stat(data)).mode & 0o777).toBe(0o700)
    expect(await readFile(join(data, '.gitignore'), 'utf8')).toBe('*\n')
    expect(await dataFolderKeys(data, { hasData: true })).toBe(text)
    expect((await readdir(data)).sort()).toEqual(['.gitignore', 'keys'])
  })

  it('gives simultaneous first users the same key', async () => {
    const texts = await Promise.all(
      Array.from({ length: 8 }, () => dataFolderKeys(folder, { hasData: false })),
    )
    expect(new Set(texts).size).toBe(1)
  })

  it('S25 never makes a new key over data that the old one encrypted', async () => {
    await expect(dataFolderKeys(folder, { hasData: true })).rejects.toMatchObject({
      name: 'FolderUnusable',
      message: expect.stringContaining('restore the file, or move the folder away'),
    })
    expect(await readdir(folder)).toEqual(['.gitignore'])
    await writeFile(join(folder, 'keys'), '', { mode: 0o600 })
    await expect(dataFolderKeys(folder, { hasData: false })).rejects.toThrow('is empty')
  })

  it('refuses a key file that others can read, and says how to mend it', async () => {
    await dataFolderKeys(folder, { hasData: false })
    const file = join(folder, 'keys')
    for (const mode of [0o640, 0o604, 0o620]) {
      await chmod(file, mode)
      await expect(dataFolderKeys(folder, { hasData: true })).rejects.toThrow(`run chmod 600 ${file}`)
    }
  })
})
