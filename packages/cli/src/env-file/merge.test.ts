import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../testing/shell.ts'
import { mergeEnvironmentFile, readEnvironmentFile } from './merge.ts'
import { updateEnvironmentFile } from './write.ts'

const values = { VALETKEY_URL: 'https://k.example', VALETKEY_ID_TOKEN: 'a.b.c' }

function merged(text: string): string {
  return Buffer.from(mergeEnvironmentFile(Buffer.from(text), values)).toString('utf8')
}

describe('mergeEnvironmentFile', () => {
  it.each([
    ['an empty file', '', 'VALETKEY_URL=https://k.example\nVALETKEY_ID_TOKEN=a.b.c\n'],
    ['a last line without its end', 'A=1', 'A=1\nVALETKEY_URL=https://k.example\nVALETKEY_ID_TOKEN=a.b.c\n'],
    [
      'Windows line ends',
      'A=1\r\nVALETKEY_URL=old\r\nB=2\r\n',
      'A=1\r\nVALETKEY_URL=https://k.example\r\nB=2\r\nVALETKEY_ID_TOKEN=a.b.c\r\n',
    ],
    [
      'both names already, doubled, exported and spaced',
      'export VALETKEY_URL = "old"\n# VALETKEY_URL=kept\nVALETKEY_ID_TOKEN=x\n\n  VALETKEY_URL=again\nVALETKEY_URL_2=kept',
      'VALETKEY_URL=https://k.example\n# VALETKEY_URL=kept\nVALETKEY_ID_TOKEN=a.b.c\n\nVALETKEY_URL_2=kept',
    ],
  ])('merges into %s', (_, before, after) => {
    expect(merged(before)).toBe(after)
  })

  it('keeps bytes that are not UTF-8', () => {
    const before = Buffer.from([0x41, 0x3d, 0xff, 0xfe, 0x0a])
    const after = Buffer.from(mergeEnvironmentFile(before, values))
    expect(after.subarray(0, before.length)).toEqual(before)
  })

  it('changes nothing when merged twice', () => {
    expect(merged(merged('A=1\n'))).toBe(merged('A=1\n'))
  })
})

describe('readEnvironmentFile', () => {
  it('reads what was written, quotes aside; the last line wins', () => {
    expect(readEnvironmentFile('A=1\nexport A = "2"\r\nB=3\n', ['A'])).toEqual({ A: '2' })
  })
})

describe('updateEnvironmentFile', () => {
  it('leaves the file readable by its owner only, also one that was open to others', async () => {
    const path = join(temporaryFolder(), '.env.local')
    writeFileSync(path, 'A=1\n')
    chmodSync(path, 0o644)
    await updateEnvironmentFile(path, values)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, 'utf8')).toBe(merged('A=1\n'))
  })

  it('does not write through a symlink', async () => {
    const folder = temporaryFolder()
    const target = join(folder, 'profile')
    writeFileSync(target, 'A=1\n')
    symlinkSync(target, join(folder, '.env.local'))
    await expect(updateEnvironmentFile(join(folder, '.env.local'), values)).rejects.toThrow(
      'not a plain file',
    )
    expect(readFileSync(target, 'utf8')).toBe('A=1\n')
  })

  it('refuses a value that would set further variables, without repeating it', async () => {
    const path = join(temporaryFolder(), '.env.local')
    const evil = { VALETKEY_ID_TOKEN: 'a\nNODE_OPTIONS=--require=/tmp/evil.js' }
    await expect(updateEnvironmentFile(path, evil)).rejects.toThrow(/^(?!.*NODE_OPTIONS)/s)
  })
})
