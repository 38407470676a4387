import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFly } from '@valetkey/testing/platforms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { brokerUrl, errorOf } from '../../test-support/fakes.ts'
import { workloadOn } from '../test-support/workload.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-sdk-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('Fly.io’s socket', () => {
  it('that is not there stops the call, naming Fly.io, and is found once it is', async () => {
    const platform = await startFly()
    const { call, sent } = workloadOn(platform, { timeoutMs: 150 })
    const error = await errorOf(call())
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain('gave no identity: No answer from localhost (ENOENT)')
    expect(error.message).toContain('Fly.io (socket ')
    expect(sent).toEqual([])
    expect(await workloadOn(platform, { flySocket: platform.socketPath }).call()).toBe('provider-token')
    await platform.close()
  })

  it.each([
    ['an endless answer', 200, 'x'.repeat(70_000), 'larger than 64 KiB'],
    ['a status that HTTP does not have', 999, '', 'no valid status'],
    ['no content', 205, '', 'holds no token'],
  ])('that gives %s stops the call with its reason, asked once', async (what, status, body, reason) => {
    let asked = 0
    const server = createServer((_request, response) => {
      asked++
      response.writeHead(status).end(body)
    })
    const flySocket = join(folder, what.slice(0, 8).replace(/ /g, '-'))
    await new Promise<void>((resolve) => server.listen(flySocket, resolve))
    const platform = await startFly()
    const { call, sent } = workloadOn(platform, { flySocket })
    const error = await errorOf(call())
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain(reason)
    expect([asked, sent]).toEqual([1, []])
    expect(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(0)
    await platform.close()
    await new Promise((resolve) => server.close(resolve))
  })

  it('gives an identity for the issuing point, and keeps no connection', async () => {
    const platform = await startFly()
    const { call, identities } = workloadOn(platform, { flySocket: platform.socketPath })
    await call()
    expect(identities()).toMatchObject([{ audiences: [brokerUrl] }])
    expect(platform.waiting()).toBe(0)
    await platform.close()
  })
})
