import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type FakePlatform, startCircleci } from '@valetkey/testing/platforms'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { brokerUrl, errorOf } from '../../test-support/fakes.ts'
import { workloadOn } from '../test-support/workload.ts'

// The program is there on POSIX only.
describe.skipIf(process.platform === 'win32')('CircleCI’s command', () => {
  let platform: FakePlatform
  let folder: string
  beforeAll(async () => {
    platform = await startCircleci()
    folder = await mkdtemp(join(tmpdir(), 'valetkey-sdk-'))
  })
  beforeEach(() => {
    vi.stubEnv('PATH', platform.environment.PATH)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    platform.misbehave()
  })
  afterAll(async () => {
    await platform.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('S14 that gives a token for another audience, an old one or none stops the call', async () => {
    for (const fault of ['wrong-audience', 'expired', 'garbage', 'refuses'] as const) {
      platform.misbehave(fault)
      const { call, sent } = workloadOn(platform)
      const error = await errorOf(call())
      expect([fault, error.code]).toEqual([fault, 'identity_unavailable'])
      expect(error.message).toContain('CircleCI')
      expect(error.message).not.toMatch(/eyJ|html/)
      expect(sent).toEqual([])
    }
  })

  it('is given its audience without a shell', async () => {
    const hostile = `${brokerUrl}/$(touch%20${folder}/made);touch\${IFS}${folder}/made;'"`
    const { call, identities } = workloadOn(platform, { url: hostile })
    await call()
    const [claims] = identities()
    expect(claims?.audiences[0]).toContain('touch$')
    expect(await readdir(folder)).toEqual([])
  })

  it('is looked for on the PATH and nowhere else, and found once it is there', async () => {
    vi.stubEnv('PATH', folder)
    const { call, sent } = workloadOn(platform)
    const error = await errorOf(call())
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain('could not be started')
    expect(sent).toEqual([])
    vi.stubEnv('PATH', platform.environment.PATH)
    expect(await call()).toBe('provider-token')
  })

  it('keeps no call longer than its timeout', async () => {
    platform.misbehave('hang')
    const { call, sent } = workloadOn(platform, { timeoutMs: 200 })
    expect((await errorOf(call())).code).toBe('timeout')
    await vi.waitFor(() => expect(platform.waiting()).toBe(0))
    expect(sent).toEqual([])
  })

  it('ends with the call, with all it started', async () => {
    platform.misbehave('hang')
    const programs = await mkdtemp(join(folder, 'programs-'))
    const [real] = platform.environment.PATH?.split(delimiter) ?? []
    // One that starts another, which asks the platform and is left without an answer.
    await writeFile(join(programs, 'circleci'), `#!/bin/sh\n'${real}/circleci' "$@" &\nwait\n`, {
      mode: 0o755,
    })
    vi.stubEnv('PATH', `${programs}${delimiter}${process.env.PATH}`)
    const controller = new AbortController()
    const outcome = errorOf(workloadOn(platform).call('c', { signal: controller.signal }))
    await vi.waitFor(() => expect(platform.waiting()).toBe(1), 5_000)
    controller.abort()
    expect((await outcome).code).toBe('aborted')
    await vi.waitFor(() => expect(platform.waiting()).toBe(0))
  })
})
