import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { identitySources } from './sources.ts'

/** Runs a script of `test-support` with an empty environment; its output is JSON. */
function run(script: string, ...args: string[]): Promise<unknown> {
  const path = fileURLToPath(new URL(`./test-support/${script}`, import.meta.url))
  const node = ['--conditions=@valetkey/source', '--disable-warning=ExperimentalWarning', path, ...args]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, node, { env: { PATH: process.env.PATH } }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout))
      else reject(new Error(stderr))
    })
  })
}

describe('on a laptop with nothing set', () => {
  it('getToken says why no source matched and what to run, having reached nothing and loaded no platform', async () => {
    const { withoutUrl, withUrl, loaded, reached } = (await run('laptop.ts')) as {
      withoutUrl: { code: string; message: string }
      withUrl: { code: string; message: string }
      loaded: string[]
      reached: number
    }
    expect(withoutUrl.code).toBe('issuing_point_missing')
    expect(withUrl.code).toBe('identity_unavailable')
    for (const { message } of [withoutUrl, withUrl]) {
      const named = message.split('\n').flatMap((line) => /^ {2}([a-z-]+): ./.exec(line)?.[1] ?? [])
      expect(named).toEqual(identitySources.map(({ name }) => name))
      expect(message).toContain('valetkey env pull')
    }
    expect(withoutUrl.message).toContain('VALETKEY_URL: not set')
    expect(withoutUrl.message).toContain('npx valetkey dev')
    expect(reached).toBe(0)
    expect(loaded.some((url) => url.endsWith('/identity/find-identity.ts'))).toBe(true)
    expect(loaded.filter((url) => /identity\/(platforms|run-|read-|mint|fetch-)/.test(url))).toEqual([])
  })
})

describe('on Deno Deploy', () => {
  it('the app’s own @deno/oidc is asked, by each exchange, and stops the call where it is missing or broken', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'valetkey-deno-'))
    const outcomes = await run('deno-deploy-app.ts', folder)
    await rm(folder, { recursive: true, force: true })
    const stopped = { code: 'identity_unavailable', message: expect.stringContaining('Deno Deploy'), sent: 0 }
    expect(outcomes).toEqual({
      'without the package': { ...stopped, message: expect.stringContaining('deno add jsr:@deno/oidc') },
      'with it': { audiences: [['https://broker.example'], ['https://broker.example']], asked: 2 },
      'wrong-audience': stopped,
      expired: stopped,
      garbage: stopped,
      refuses: stopped,
      redirect: stopped,
      hang: { code: 'timeout', message: expect.any(String), sent: 0 },
    })
  })
})
