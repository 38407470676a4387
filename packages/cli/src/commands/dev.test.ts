import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../run.ts'
import type { HostModule } from '../shell.ts'
import { createTestShell, runCommand, temporaryFolder } from '../testing/shell.ts'

type Started = Parameters<HostModule['startDevelopmentBroker']>[0]

/** A host whose brokers only remember what they were told. */
function createHost(start?: (options: Started) => Promise<void>) {
  const started: Started[] = []
  let closed = 0
  const host = {
    async startDevelopmentBroker(options: Started) {
      await start?.(options)
      started.push(options)
      return {
        url: `http://127.0.0.1:${options.port}`,
        accessToken: 'vk_owner_secret',
        close: async () => {
          closed += 1
        },
      }
    },
  }
  // Only this function of the module is reached from here.
  return { started, closed: () => closed, load: async () => host as unknown as HostModule }
}

async function untilReady(shell: { readonly written: { stdout: string } }): Promise<void> {
  while (shell.written.stdout === '') await new Promise((resolve) => setTimeout(resolve, 2))
}

describe('valetkey dev', () => {
  it('says ready, keeps dev.json to its owner while it runs and removes it on the first signal', async () => {
    const host = createHost()
    const shell = createTestShell(['dev', '--port', '4600', '--ephemeral'], { loadHost: host.load })
    const finished = run(shell)
    await untilReady(shell)
    const path = join(shell.folder, '.valetkey', 'dev.json')
    expect(shell.written.stdout).toBe('ready http://127.0.0.1:4600\n')
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      url: 'http://127.0.0.1:4600',
      accessToken: 'vk_owner_secret',
      pid: 4242,
    })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(shell.folder, '.valetkey', '.gitignore'), 'utf8')).toBe('*\n')
    expect(host.started[0]).toMatchObject({
      port: 4600,
      ephemeral: true,
      dataDir: join(shell.folder, '.valetkey'),
    })
    shell.signal('SIGINT')
    expect(await finished).toBe(0)
    expect(existsSync(path)).toBe(false)
    expect(host.closed()).toBe(1)
  })

  it('S26 never prints the owner token', async () => {
    const shell = createTestShell(['dev', '--json'], { loadHost: createHost().load })
    const finished = run(shell)
    await untilReady(shell)
    shell.signal('SIGTERM')
    await finished
    expect(JSON.parse(shell.written.stdout)).toEqual({ url: 'http://127.0.0.1:4570' })
    expect(shell.written.stdout + shell.written.stderr).not.toContain('vk_owner_secret')
  })

  it('leaves the dev.json of another broker alone', async () => {
    const shell = createTestShell(['dev'], { loadHost: createHost().load })
    const finished = run(shell)
    await untilReady(shell)
    const path = join(shell.folder, '.valetkey', 'dev.json')
    writeFileSync(path, '{"url":"http://127.0.0.1:4571","accessToken":"vk_other","pid":4243}')
    shell.signal('SIGTERM')
    await finished
    expect(existsSync(path)).toBe(true)
  })

  it('ends at once on the second signal, also while it starts', async () => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const host = createHost(() => released)
    const shell = createTestShell(['dev'], { loadHost: host.load })
    const finished = run(shell)
    shell.signal('SIGINT')
    expect(shell.exits).toEqual([])
    shell.signal('SIGINT')
    expect(shell.exits).toEqual([130])
    release()
    expect(await finished).toBe(0)
  })

  it('names --port when the port is taken', async () => {
    const error = Object.assign(new Error('Port 4600 is in use'), {
      name: 'HostError',
      kind: 'failed',
      code: 'EADDRINUSE',
    })
    const host = createHost(() => Promise.reject(error))
    const { code, stdout } = await runCommand(['dev', '--port', '4600', '--json'], { loadHost: host.load })
    expect(code).toBe(1)
    expect(JSON.parse(stdout).error.message).toBe('Port 4600 is in use: choose another with --port')
  })

  it('exits 2 when the host calls it misuse', async () => {
    const error = Object.assign(new Error('VALETKEY_KEYS is not set'), { name: 'HostError', kind: 'misuse' })
    const host = createHost(() => Promise.reject(error))
    const { code, stderr } = await runCommand(['dev'], { loadHost: host.load, folder: temporaryFolder() })
    expect(code).toBe(2)
    expect(stderr).toContain('VALETKEY_KEYS is not set')
  })
})
