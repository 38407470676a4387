import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import {
  brokerUrl,
  countingFetch,
  errorOf,
  inAnHourSeconds,
  jwt,
  testContext,
} from '../test-support/fakes.ts'

const app = { subject: { type: 'app' } } as const
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-sdk-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const ask = async (variables: Record<string, string>, options?: object) => {
  const fetch = countingFetch()
  const context = testContext(
    { fetch },
    { VALETKEY_URL: brokerUrl, VALETKEY_ACCESS_TOKEN: 'other', ...variables },
  )
  const call = (connector = 'c'): Promise<string> => getTokenIn(context, connector, app, options)
  return { call, fetch, identities: () => fetch.seen.map((request) => request.headers.get('authorization')) }
}

describe('VALETKEY_ID_TOKEN_FILE', () => {
  it('is read again and trimmed at every exchange', async () => {
    const path = join(folder, 'token')
    await writeFile(path, 'first\n')
    const { call, identities } = await ask({ VALETKEY_ID_TOKEN_FILE: path })
    await call()
    await writeFile(path, '  second')
    await call()
    await call('d')
    expect(identities()).toEqual(['Bearer first', 'Bearer second'])
  })

  it.each([
    ['is missing', undefined, 'ENOENT'],
    ['is empty', ' \n', 'is empty'],
    ['is too large', 'x'.repeat(16_385), 'larger than'],
    ['holds an expired token', jwt({ aud: brokerUrl, exp: 1 }), 'expired at 1970'],
    [
      'holds a token for someone else',
      jwt({ aud: 'sts.amazonaws.com', exp: inAnHourSeconds }),
      'another audience',
    ],
  ])('stops with its reason when the file %s', async (_what, content, reason) => {
    const path = join(folder, 'broken')
    await rm(path, { force: true })
    if (content !== undefined) await writeFile(path, content)
    const { call, fetch } = await ask({ VALETKEY_ID_TOKEN_FILE: path })
    const error = await errorOf(call())
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain(reason)
    expect(error.message).not.toContain('xxx')
    expect(fetch.seen).toHaveLength(0)
  })
})

it.skipIf(process.platform === 'win32')(
  'VALETKEY_ID_TOKEN_FILE that is a pipe stops, and holds no thread of the process',
  async () => {
    const path = join(folder, 'pipe')
    execFileSync('mkfifo', [path])
    const { call, fetch } = await ask({ VALETKEY_ID_TOKEN_FILE: path })
    // As many as the runtime has threads for files: held, they would stop every other file of the process.
    const errors = await Promise.all(Array.from({ length: 8 }, (_, index) => errorOf(call(`c${index}`))))
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['identity_unavailable']))
    expect(errors[0]?.message).toContain('not a regular file')
    expect(fetch.seen).toHaveLength(0)
  },
)

it('VALETKEY_ID_TOKEN_FILE that names what a cluster mounts for somebody else is not read', async () => {
  const { call } = await ask({
    VALETKEY_ID_TOKEN_FILE: '/var/run/secrets//kubernetes.io/serviceaccount/token',
  })
  expect((await errorOf(call())).message).toContain('serviceAccountToken: { audience: https://broker.example')
})

describe.skipIf(process.platform === 'win32')('VALETKEY_ID_TOKEN_COMMAND', () => {
  it('is run by the shell, for every exchange', async () => {
    const path = join(folder, 'count')
    await writeFile(path, '')
    const { call, identities } = await ask({
      VALETKEY_ID_TOKEN_COMMAND: `echo x >> ${path}; wc -l < ${path}`,
    })
    await call()
    await call()
    await call('d')
    expect(identities()).toEqual(['Bearer 1', 'Bearer 2'])
  })

  it.each([
    ['fails', 'echo secret-out; echo secret-err >&2; exit 3', 'exit code 3'],
    ['prints nothing', 'true', 'printed nothing'],
    ['prints without end', 'yes secret-out', 'printed more than'],
    ['does not exist', 'no-such-command-of-valetkey', 'exit code 127'],
    ['is killed', 'kill -9 $$', 'ended by SIGKILL'],
  ])('stops with its reason when it %s, quoting no output', async (_what, command, reason) => {
    const { call, fetch } = await ask({ VALETKEY_ID_TOKEN_COMMAND: command })
    const error = await errorOf(call())
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain(reason)
    expect(error.message).not.toContain('secret')
    expect(fetch.seen).toHaveLength(0)
  })

  it('is ended with all it started when the time is up', async () => {
    const path = join(folder, 'survivor')
    const { call } = await ask(
      { VALETKEY_ID_TOKEN_COMMAND: `(sleep 0.6; touch ${path}) & wait` },
      { timeoutMs: 150 },
    )
    expect((await errorOf(call())).code).toBe('timeout')
    await new Promise((resolve) => setTimeout(resolve, 900))
    await expect(writeFile(path, 'new', { flag: 'wx' })).resolves.toBeUndefined()
  })
})
