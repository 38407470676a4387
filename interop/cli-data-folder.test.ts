import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endAll, type Finished, startRunning, valetkey } from './support/command.ts'
import { putDatabase } from './support/migrated.ts'

/** What a failed command says to a person: one line, and perhaps one with the next step. */
function complaintOf({ code, stdout, stderr }: Finished): {
  readonly code: number | null
  readonly says: string
} {
  expect(stdout).toBe('')
  const [says = '', ...next] = stderr.trimEnd().split('\n')
  expect(next.length).toBeLessThanOrEqual(1)
  expect(says).toMatch(/^error: /)
  return { code, says }
}

describe('the data folder of `valetkey dev`', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  })
  afterAll(async () => {
    await endAll()
    await rm(folder, { recursive: true, force: true })
  })

  const run = (...args: string[]) => valetkey(folder, args)
  const dev = () => startRunning(folder, ['dev', '--port', '0'])

  async function json(...args: string[]): Promise<Readonly<Record<string, unknown>>> {
    const finished = await run(...args, '--json')
    if (finished.code !== 0) throw new Error(`${args.join(' ')}: ${finished.stdout}${finished.stderr}`)
    return JSON.parse(finished.stdout) as Record<string, unknown>
  }

  async function token(): Promise<unknown> {
    await json('env', 'pull', '--project', 'agent', '--environment', 'development')
    return (await json('connect', 'token', 'api-key/weather')).token
  }

  it('belongs to one broker at a time: a second dev is refused in one sentence', async () => {
    putDatabase(join(folder, '.valetkey'))
    const first = await dev()
    const second = complaintOf(await run('dev', '--port', '0'))
    expect(second.code).toBe(1)
    expect(second.says).toContain(String(first.pid))
    expect(complaintOf(await run('keys', 'rotate')).code).toBe(1)

    await json('project', 'create', 'agent')
    await json('connect', 'create', 'api-key', '--name', 'weather', '--data', '{"value":"weather-key"}')
    await json('connect', 'attach', 'api-key/weather', '--project', 'agent', '-e', 'development')
    expect(await token()).toBe('weather-key')
    expect(await first.end('SIGKILL')).toBeNull()
  })

  it('has nothing left to migrate once a broker has run there', async () => {
    expect(await json('migrate')).toEqual({ applied: [] })
  })

  it('is taken over after a crash, with everything in it and a new owner token', async () => {
    const path = join(folder, '.valetkey', 'dev.json')
    const left = JSON.parse(await readFile(path, 'utf8')) as { accessToken: string }
    const again = await dev()
    const now = JSON.parse(await readFile(path, 'utf8')) as { accessToken: string; url: string }
    expect(now.url).toBe(again.url)
    expect(now.accessToken).not.toBe(left.accessToken)
    expect(await token()).toBe('weather-key')
    const old = await fetch(`${again.url}/v1/projects`, {
      headers: { authorization: `Bearer ${left.accessToken}` },
    })
    expect(old.status).toBe(401)
    expect(await json('audit', 'verify')).toMatchObject({ valid: true })
    expect(await again.end('SIGINT')).toBe(0)
  })

  it('opens under a new key after keys rotate, and the old key is gone', async () => {
    const path = join(folder, '.valetkey', 'keys')
    const before = await readFile(path, 'utf8')
    const rotated = await json('keys', 'rotate')
    expect(rotated).toMatchObject({ complete: true, keyId: expect.any(String) })
    const after = await readFile(path, 'utf8')
    expect(after.trim().split(',')).toHaveLength(1)
    expect(after).not.toBe(before)
    const again = await dev()
    expect(await token()).toBe('weather-key')
    expect(await json('audit', 'verify')).toMatchObject({ valid: true })
    await again.end('SIGTERM')
  })

  it('gets its first owner on the host, without a running broker', async () => {
    const { token: owner } = await json('token', 'create', '--local', '--role', 'owner')
    const again = await dev()
    const answer = await fetch(`${again.url}/v1/access-tokens/self`, {
      headers: { authorization: `Bearer ${String(owner)}` },
    })
    expect(await answer.json()).toMatchObject({ role: 'owner' })
    await again.end('SIGTERM')
  })

  it('is not opened without its keys, and no new ones are made over its data', async () => {
    await rm(join(folder, '.valetkey', 'keys'))
    for (const command of [['dev', '--port', '0'], ['serve'], ['keys', 'rotate']]) {
      const { code, says } = complaintOf(await run(...command))
      expect(code).toBe(1)
      expect(says).toContain('keys')
    }
    await expect(readFile(join(folder, '.valetkey', 'keys'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('`valetkey migrate` in an empty folder', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  })
  afterAll(async () => {
    await endAll()
    await rm(folder, { recursive: true, force: true })
  })

  it('makes the database', async () => {
    const { code, stdout } = await valetkey(folder, ['migrate', '--json'])
    expect(code).toBe(0)
    const { applied } = JSON.parse(stdout) as { readonly applied: readonly string[] }
    expect(applied.length).toBeGreaterThan(0)
  })

  // It makes the database without the keys, and no broker opens data whose keys are missing.
  it('leaves a folder that a broker opens', async () => {
    const running = await startRunning(folder, ['dev', '--port', '0'])
    await running.end('SIGTERM')
  })
})

describe('`valetkey dev`', () => {
  let complaint = ''
  it('says in one sentence that its port is taken, and makes no keys and no data', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    try {
      const { code, says } = complaintOf(await valetkey(folder, ['dev', '--port', String(port)]))
      complaint = says
      expect(code).toBe(1)
      expect(says).toContain(`Port ${port} is in use`)
      expect(await readdir(join(folder, '.valetkey'))).toEqual(['.gitignore'])
    } finally {
      await new Promise((resolve) => taken.close(resolve))
      await rm(folder, { recursive: true, force: true })
    }
  })

  // The host's error carries no code EADDRINUSE, so that the command does not recognise it.
  it('names --port then', () => {
    expect(complaint).toContain('--port')
  })

  it('with --ephemeral writes dev.json and nothing of its data', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
    const running = await startRunning(folder, ['dev', '--port', '0', '--ephemeral'])
    try {
      const created = await valetkey(folder, ['project', 'create', 'agent', '--json'])
      expect(created.code).toBe(0)
      await expect(readFile(join(folder, '.valetkey', 'keys'))).rejects.toMatchObject({ code: 'ENOENT' })
      expect(await running.end('SIGTERM')).toBe(0)
    } finally {
      await endAll()
      await rm(folder, { recursive: true, force: true })
    }
  })
})
