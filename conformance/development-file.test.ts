import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type LoopbackServer, sendJson, startLoopbackServer } from './support/http.ts'

/** The built command: what a person has on the PATH. Without a build there is nothing to try. */
const command = fileURLToPath(new URL('../packages/cli/dist/bin.js', import.meta.url))

let server: LoopbackServer
const seen: (string | undefined)[] = []
let folder: string

beforeAll(async () => {
  server = await startLoopbackServer((request, response) => {
    seen.push(request.headers.authorization)
    sendJson(response, { projects: [], cursor: null })
  })
})

afterAll(() => server.close())

beforeEach(async () => {
  seen.length = 0
  folder = await mkdtemp(join(tmpdir(), 'valetkey-conformance-file-'))
  await mkdir(join(folder, '.valetkey'), { mode: 0o700 })
})

afterEach(() => rm(folder, { recursive: true, force: true }))

function run(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  cwd = folder,
): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [command, ...args], {
      cwd,
      env: { PATH: process.env.PATH, HOME: folder, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (out += String(chunk)))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out }))
  })
}

const list = ['project', 'list', '--json'] as const
const file = () => join(folder, '.valetkey', 'dev.json')

async function write(content: unknown, mode = 0o600, path = file()): Promise<void> {
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content), { mode })
  await chmod(path, mode)
}

const good = (changes: object = {}) => ({
  url: server.url,
  accessToken: 'vk_secret-token',
  pid: 1,
  ...changes,
})

async function expectUnused(environment?: Record<string, string>): Promise<void> {
  const { code, out } = await run(list, environment)
  expect(code).toBe(1)
  expect(seen).toEqual([])
  expect(out).not.toContain('secret-token')
  // A reason, and not the failure of an attempt.
  expect(JSON.parse(out.slice(out.indexOf('{')))).toMatchObject({ error: { code: 'issuing_point_missing' } })
}

describe.skipIf(!existsSync(command))('S37 the dev.json that dev writes', () => {
  it('S37 is private while it runs, kept out of repositories, and gone afterwards', async () => {
    await rm(join(folder, '.valetkey'), { recursive: true })
    const child = spawn(process.execPath, [command, 'dev', '--port', '0', '--ephemeral'], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const ended = new Promise((resolve) => child.once('close', resolve))
    try {
      await new Promise<void>((resolve, reject) => {
        child.stdout.on('data', (chunk) => String(chunk).includes('ready http') && resolve())
        child.once('close', () => reject(new Error('dev ended before it was ready')))
      })
      expect((await stat(file())).mode & 0o777).toBe(0o600)
      const written: unknown = JSON.parse(await readFile(file(), 'utf8'))
      expect(written).toMatchObject({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) })
      expect((await readFile(join(folder, '.valetkey', '.gitignore'), 'utf8')).trim()).toBe('*')
      expect((await run(list)).code).toBe(0)
    } finally {
      child.kill('SIGTERM')
      await ended
    }
    expect(existsSync(file())).toBe(false)
  })
})

describe.skipIf(!existsSync(command))('S37 a dev.json that was found', () => {
  it('S37 is used when it is the user’s own, private and on loopback', async () => {
    await write(good())
    expect((await run(list)).code).toBe(0)
    expect(seen).toEqual(['Bearer vk_secret-token'])
  })

  it.each([0o644, 0o640, 0o660, 0o604, 0o666, 0o700 | 0o077])(
    'S37 is not used with mode %o',
    async (mode) => {
      await write(good(), mode)
      await expectUnused()
    },
  )

  it.each([
    'http://evil.example',
    'https://evil.example',
    'https://127.0.0.1:1',
    'http://127.0.0.1.evil.example',
    'http://127.0.0.1@evil.example',
    'http://localhost.evil.example',
    'http://0.0.0.0:1',
    'http://169.254.169.254',
    'http://10.0.0.1',
    'file:///etc/passwd',
    '//evil.example',
    '',
  ])('S37 is not used with the url %j', async (url) => {
    await write(good({ url }))
    await expectUnused()
  })

  it('S37 is not used with another address that leads to this machine', async () => {
    const { port } = new URL(server.url)
    // On Linux 0.0.0.0 reaches the very server that would note the token.
    for (const host of ['0.0.0.0', '[::ffff:127.0.0.1]']) {
      await write(good({ url: `http://${host}:${port}` }))
      await expectUnused()
    }
  })

  it.each([
    ['no JSON', '{'],
    ['a list', [good]],
    ['no token', { url: 'http://127.0.0.1:1' }],
    ['a token with a line break', { url: 'http://127.0.0.1:1', accessToken: 'vk_\r\nx-evil: 1' }],
    ['a token that is no text', { url: 'http://127.0.0.1:1', accessToken: ['vk_secret-token'] }],
  ])('S37 is not used when it holds %s', async (_what, content) => {
    await write(content)
    await expectUnused()
  })

  it('S37 is not used through a symbolic link', async () => {
    const elsewhere = join(folder, 'elsewhere.json')
    await write(good(), 0o600, elsewhere)
    await symlink(elsewhere, file())
    await expectUnused()
  })

  it('S37 is not used when it is somebody else’s', async (context) => {
    if (process.getuid?.() !== 0) return context.skip('only root can give files away')
    await write(good())
    await chown(file(), 65_534, 65_534)
    expect((await stat(file())).uid).toBe(65_534)
    await expectUnused()
  })

  it('S37 is not used from a folder that is a symbolic link, as a clone may hold one', async () => {
    const elsewhere = join(folder, 'elsewhere')
    await mkdir(elsewhere, { mode: 0o700 })
    await write(good(), 0o600, join(elsewhere, 'dev.json'))
    await rm(join(folder, '.valetkey'), { recursive: true })
    await symlink(elsewhere, join(folder, '.valetkey'))
    await expectUnused()
  })

  it('S37 is looked for in parents too, under the same conditions', async () => {
    const inner = join(folder, 'a', 'b')
    await mkdir(inner, { recursive: true })
    await write(good())
    expect((await run(list, {}, inner)).code).toBe(0)
    seen.length = 0
    await chmod(file(), 0o644)
    expect((await run(list, {}, inner)).code).toBe(1)
    expect(seen).toEqual([])
  })

  it('S37 gives way to VALETKEY_URL, and lends it no token', async () => {
    await write(good())
    const other = await startLoopbackServer((request, response) => {
      seen.push(`other ${request.headers.authorization}`)
      sendJson(response, { projects: [], cursor: null })
    })
    const { code } = await run(list, { VALETKEY_URL: other.url })
    expect(code).toBe(1)
    expect(seen).toEqual([])
    await run(list, { VALETKEY_URL: other.url, VALETKEY_ACCESS_TOKEN: 'vk_own' })
    expect(seen).toEqual(['other Bearer vk_own'])
    await other.close()
  })
})
