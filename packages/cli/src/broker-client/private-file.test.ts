import { execFileSync } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../testing/shell.ts'
import { createDataFolder, readPrivateFile, writePrivateFile } from './private-file.ts'

const userId = process.getuid?.()

describe('readPrivateFile', () => {
  it('S37 does not read a file of another user', async () => {
    const path = join(temporaryFolder(), 'file')
    await writePrivateFile(path, Buffer.from('text'))
    expect(await readPrivateFile(path, (userId ?? 0) + 1)).toMatchObject({ state: 'untrusted' })
    expect(await readPrivateFile(path, userId)).toMatchObject({ state: 'read', text: 'text' })
  })

  it('S37 does not wait at a named pipe', async () => {
    const path = join(temporaryFolder(), 'pipe')
    execFileSync('mkfifo', ['-m', '600', path])
    expect(await readPrivateFile(path, userId)).toMatchObject({
      state: 'untrusted',
      reason: 'it is not a file',
    })
  })

  it('calls a missing file and a missing folder absent', async () => {
    const folder = temporaryFolder()
    expect(await readPrivateFile(join(folder, 'no', 'file'), userId)).toEqual({ state: 'absent' })
    writeFileSync(join(folder, 'no'), '')
    expect(await readPrivateFile(join(folder, 'no', 'file'), userId)).toEqual({ state: 'absent' })
  })
})

describe('writePrivateFile', () => {
  it('leaves mode 0600 under any umask, and no draft', async () => {
    const folder = temporaryFolder()
    const before = process.umask(0o277)
    try {
      await writePrivateFile(join(folder, 'file'), Buffer.from('one'))
    } finally {
      process.umask(before)
    }
    expect(statSync(join(folder, 'file')).mode & 0o777).toBe(0o600)
    await writePrivateFile(join(folder, 'file'), Buffer.from('two'))
    expect(statSync(join(folder, 'file')).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['file'])
  })

  it('leaves no draft when the content can not be made', async () => {
    const folder = temporaryFolder()
    const broken = () => {
      throw new Error('broken')
    }
    await expect(writePrivateFile(join(folder, 'file'), broken)).rejects.toThrow('broken')
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('createDataFolder', () => {
  it('closes the folder to others and leaves a .gitignore that is there alone', async () => {
    const folder = join(temporaryFolder(), '.valetkey')
    await createDataFolder(folder)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    writeFileSync(join(folder, '.gitignore'), '*\n# mine\n')
    await createDataFolder(folder)
    expect(readdirSync(folder)).toEqual(['.gitignore'])
    expect(statSync(join(folder, '.gitignore')).size).toBe(9)
  })
})
