import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createFakeFetch, runCommand, temporaryFolder } from '../testing/shell.ts'
import { batchesOf } from './connect-import-batches.ts'

const environment = { VALETKEY_URL: 'https://keys.example.com', VALETKEY_ACCESS_TOKEN: 'vk_operator_secret' }
const path = 'POST /v1/connect/token/slack%2Fmybot/import'
const secret = 'xoxp-very-secret'
const token = (accessToken = secret) => ({
  accessToken,
  expiresAt: 1,
  subject: { type: 'user', id: 'alice' },
  environment: 'production',
})
const done = (...succeeded: boolean[]) => ({
  accepted: succeeded.length,
  imported: succeeded.filter((each) => each).length,
  tokens: succeeded.map((each) =>
    each
      ? { succeeded: true }
      : { succeeded: false, error: { code: 'above_ceiling', message: 'The request exceeds the ceiling' } },
  ),
})

async function importFile(
  content: unknown,
  answer: unknown,
  flags: readonly string[] = ['--project', 'shop'],
) {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'tokens.json'), typeof content === 'string' ? content : JSON.stringify(content))
  const { fetch, requests } = createFakeFetch({ [path]: answer })
  const argv = ['connect', 'import', 'slack/mybot', '--data', '@tokens.json', ...flags]
  return { ...(await runCommand(argv, { environment, fetch, folder })), requests }
}

describe('connect import', () => {
  it('sends the tokens of a file, an array or the whole object, and says how many became grants', async () => {
    for (const content of [[token(), token()], { tokens: [token(), token()] }]) {
      const { code, stdout, stderr, requests } = await importFile(content, done(true, true))
      expect({ code, stdout, stderr }).toEqual({
        code: 0,
        stdout: 'Imported 2 of 2 tokens into slack/mybot.\n',
        stderr: '',
      })
      expect(requests.map(({ body }) => body)).toEqual([{ project: 'shop', tokens: [token(), token()] }])
    }
  })

  it('takes the project of the file where none is named, and the one that is named otherwise', async () => {
    const content = { project: 'other', tokens: [token()] }
    const own = await importFile(content, done(true), [])
    expect(own.requests[0]?.body).toMatchObject({ project: 'other' })
    const named = await importFile(content, done(true))
    expect(named.requests[0]?.body).toMatchObject({ project: 'shop' })
    expect((await importFile([token()], done(true), [])).code).toBe(2)
  })

  it('exits 1 when some failed, naming them by index and never by value', async () => {
    const human = await importFile([token(), token(), token()], done(true, false, true))
    expect(human.code).toBe(1)
    expect(human.stdout).toMatch(/^Imported 2 of 3 tokens/)
    expect(human.stdout).toMatch(/^1 +above_ceiling +The request exceeds the ceiling$/m)
    const json = await importFile([token(), token()], done(false, true), [
      '--project',
      'shop',
      '--json',
      '--yes',
    ])
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toEqual(done(false, true))
    for (const { stdout, stderr } of [human, json]) expect(stdout + stderr).not.toContain(secret)
  })

  it('splits what is too long for one request, and puts the answers back in order', async () => {
    const folder = temporaryFolder()
    const tokens = Array.from({ length: 10 }, (_, index) => token(`${index}`.repeat(15_000)))
    tokens[4] = token('x'.repeat(70_000))
    writeFileSync(join(folder, 'tokens.json'), JSON.stringify(tokens))
    const sizes: number[] = []
    const fetch: typeof globalThis.fetch = async (_input, init) => {
      const text = String(init?.body)
      const body = JSON.parse(text) as { tokens: { accessToken: string }[] }
      sizes.push(Buffer.byteLength(text))
      return Response.json(done(...body.tokens.map(({ accessToken }) => accessToken[0] !== '7')))
    }
    const argv = ['connect', 'import', 'slack/mybot', '--data', '@tokens.json', '--project', 'shop', '--json']
    const { code, stdout, stderr } = await runCommand(argv, { environment, fetch, folder })
    expect(sizes.length).toBeGreaterThan(2)
    expect(Math.max(...sizes)).toBeLessThan(65_536)
    const answer = JSON.parse(stdout)
    expect(answer).toMatchObject({ accepted: 10, imported: 8 })
    const failed = answer.tokens.flatMap(({ error }: { error?: { code: string } }, index: number) =>
      error === undefined ? [] : [[index, error.code]],
    )
    expect(failed).toEqual([
      [4, 'too_large'],
      [7, 'above_ceiling'],
    ])
    expect(code).toBe(1)
    expect(stderr).toContain('Sent 9 of 10 tokens.')
  })

  it('says how far it came when a request fails halfway', async () => {
    const folder = temporaryFolder()
    writeFileSync(
      join(folder, 'tokens.json'),
      JSON.stringify(Array.from({ length: 6 }, () => token('x'.repeat(15_000)))),
    )
    let calls = 0
    const fetch: typeof globalThis.fetch = async () => {
      if (calls++ === 0) return Response.json(done(true, true, true))
      const error = { code: 'unavailable', message: 'Not now', requestId: 'req_1' }
      return Response.json({ error }, { status: 503 })
    }
    const argv = ['connect', 'import', 'slack/mybot', '--data', '@tokens.json', '--project', 'shop', '--json']
    const { code, stdout, stderr } = await runCommand(argv, { environment, fetch, folder })
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error.code).toBe('unavailable')
    expect(stderr).toContain('3 tokens of 6 had been sent before this')
  })

  it.each([
    ['no JSON', `[{"accessToken":"${secret}"`],
    ['no list', { accessToken: secret }],
    ['an empty list', []],
    ['a project that is no name', { project: { id: secret }, tokens: [token()] }],
  ])('refuses a file with %s, and repeats nothing of it', async (_what, content) => {
    const { code, stdout, stderr, requests } = await importFile(content, done(true))
    expect(code).toBe(2)
    expect(stdout + stderr).not.toContain(secret)
    expect(requests).toEqual([])
  })

  it('S26 refuses tokens on the command line, and repeats nothing of them', async () => {
    const argv = ['connect', 'import', 'x', '--project', 'p', '--data', JSON.stringify([token()])]
    for (const json of [[], ['--json']]) {
      const { code, stdout, stderr } = await runCommand([...argv, ...json], { environment })
      expect(code).toBe(2)
      expect(stdout + stderr).toContain('never the tokens themselves')
      expect(stdout + stderr).not.toContain(secret)
    }
  })

  it('refuses a file that is not there', async () => {
    const argv = ['connect', 'import', 'x', '--project', 'p', '--data', '@nowhere.json']
    expect((await runCommand(argv, { environment })).code).toBe(2)
  })
})

describe('batches of tokens', () => {
  it('hold every token that fits exactly once, in order, and at most 1,000', () => {
    const tokens = Array.from({ length: 2500 }, (_, index) => index)
    const { batches, tooLarge } = batchesOf(tokens)
    expect(batches.flat()).toEqual(tokens)
    expect(Math.max(...batches.map((batch) => batch.length))).toBe(1000)
    expect(tooLarge).toEqual([])
    expect(batchesOf([])).toEqual({ batches: [], tooLarge: [] })
  })
})
