import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { onlyEnvironment } from '../testing/environment.ts'
import { createFakeFetch, runCommand, temporaryFolder } from '../testing/shell.ts'
import { checkClock } from './check-broker.ts'

describe('checkClock', () => {
  const here = Date.UTC(2026, 10, 21, 12, 0, 0)
  it.each([
    [here, 'ok'],
    [here + 4000, 'ok'],
    [here + 20_000, 'warn'],
    [here - 45_000, 'fail'],
  ])('compares the Date header of %d', (there, status) => {
    expect(checkClock(new Date(there).toUTCString(), here, here)[0]?.status).toBe(status)
  })

  it('says nothing without a date', () => {
    expect(checkClock(null, here, here)).toEqual([])
  })
})

describe('valetkey doctor', () => {
  const environment = {
    VALETKEY_URL: 'https://keys.example.com',
    VALETKEY_ACCESS_TOKEN: 'vk_operator_secret',
  }
  const loadSdk = () => import('@valetkey/sdk')

  it('passes against a broker that serves', async () => {
    onlyEnvironment(environment)
    const self = { id: 'vat_1', role: 'owner', expiresAt: null }
    const { fetch } = createFakeFetch({
      'GET /healthz': {},
      'GET /readyz': {},
      'GET /v1/access-tokens/self': self,
    })
    const { code, stdout } = await runCommand(['doctor', '--json'], { environment, fetch, loadSdk })
    const { healthy, checks } = JSON.parse(stdout)
    expect(checks.filter(({ status }: { status: string }) => status === 'fail')).toEqual([])
    expect([code, healthy]).toEqual([0, true])
  })

  it('finds the token of the development broker that VALETKEY_URL names', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, '.valetkey'))
    const url = 'http://127.0.0.1:4570'
    const file = JSON.stringify({ url, accessToken: 'vk_owner_secret', pid: 1 })
    writeFileSync(join(folder, '.valetkey', 'dev.json'), file, { mode: 0o600 })
    const { fetch, requests } = createFakeFetch({
      'GET /healthz': {},
      'GET /readyz': {},
      'GET /v1/access-tokens/self': { id: 'vat_1', role: 'owner', expiresAt: null },
    })
    const shell = { environment: { VALETKEY_URL: url }, fetch, loadSdk, folder }
    expect((await runCommand(['doctor'], shell)).stdout).toContain('access token: vat_1, role owner')
    expect(requests.at(-1)?.authorization).toBe('Bearer vk_owner_secret')
  })

  it('fails, with the next step, when the token is not accepted and S26 does not show it', async () => {
    const error = { code: 'identity_invalid', message: 'Not accepted', requestId: 'req_1' }
    const { fetch } = createFakeFetch({
      'GET /healthz': {},
      'GET /readyz': {},
      'GET /v1/access-tokens/self': Response.json({ error }, { status: 401 }),
    })
    const { code, stdout } = await runCommand(['doctor'], { environment, fetch, loadSdk })
    expect(code).toBe(1)
    expect(stdout).toContain('fail  access token: Not accepted')
    expect(stdout).not.toContain('vk_operator_secret')
  })
})
