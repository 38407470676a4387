import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createTestShell, temporaryFolder } from '../testing/shell.ts'
import { readDetails, readObject, readSecret } from './values.ts'

function source(input = '') {
  return createTestShell([], { folder: temporaryFolder(), input })
}

describe('readSecret', () => {
  it('reads a file or stdin without the white space around it', async () => {
    const shell = source(' piped \n')
    writeFileSync(join(shell.folder, 'token'), 'filed\n')
    expect(await readSecret(shell, '--token', '@token')).toBe('filed')
    expect(await readSecret(shell, '--token', '@-')).toBe('piped')
  })

  it('S26 refuses a bare secret without repeating it, exit 2', async () => {
    await expect(readSecret(source(), '--token', 'eyJsecret')).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/^(?!.*yJsecret).*never the value itself/),
    })
  })

  it.each([
    ['@nothing-here', 'ENOENT'],
    ['@.', 'EISDIR'],
    ['@', 'file name'],
    ['@-', 'empty'],
  ])('explains %s', async (value, reason) => {
    await expect(readSecret(source(), '--token', value)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(reason),
    })
  })

  it('does not read without end', async () => {
    const shell = source('x'.repeat(1_048_577))
    await expect(readSecret(shell, '--token', '@-')).rejects.toThrow('larger than 1 MiB')
  })
})

describe('readObject', () => {
  it('reads JSON inline, and leaves an @ inside of it alone', async () => {
    expect(await readObject(source(), '--data', '{"value":"@secret"}')).toEqual({ value: '@secret' })
  })

  it.each(['{"a":"sk-secret"', '["sk-secret"]', '"sk-secret"'])(
    'S26 refuses %j without repeating it, exit 2',
    async (value) => {
      await expect(readObject(source(), '--data', value)).rejects.toMatchObject({
        exitCode: 2,
        message: expect.not.stringContaining('sk-secret'),
      })
    },
  )
})

describe('readDetails', () => {
  it('takes a list of typed objects only', async () => {
    const details = '[{"type":"github_app_installation","repositories":["a/b"]}]'
    expect(await readDetails(source(), '--authorization-details', details)).toHaveLength(1)
    await expect(readDetails(source(), '--authorization-details', '[{}]')).rejects.toThrow('"type"')
    await expect(readDetails(source(), '--authorization-details', '{"type":"x"}')).rejects.toThrow('array')
  })
})
