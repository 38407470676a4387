import { describe, expect, it } from 'vitest'
import { createFakeFetch, runCommand } from '../testing/shell.ts'

const path = '/v1/connect/token/oauth%2Flogin'
const answer = {
  token: 'provider-token',
  expiresAt: Date.now() + 3_600_000,
  connector: { id: 'scl_1', uid: 'oauth/login', type: 'oauth' },
}
const environment = { VALETKEY_URL: 'http://127.0.0.1:9', VALETKEY_ACCESS_TOKEN: 'vk_workload_secret' }

/** The SDK itself, in an environment of its own and on a network of its own. */
async function surroundings() {
  const { fetch, requests } = createFakeFetch({ [`POST ${path}`]: answer })
  const sdk = await import('@valetkey/sdk')
  const loadSdk = async () => ({
    ...sdk,
    createClient: ({ url }: { readonly url: string }) =>
      sdk.createClient({ url, fetch, identity: 'vk_workload_secret' }),
  })
  return { requests, parts: { environment, loadSdk } }
}

describe('connect token', () => {
  it.each([
    [[], { type: 'app' }],
    [['--subject', 'user', '--user-id', 'alice'], { type: 'user', id: 'alice' }],
    [
      ['--subject', 'user', '--user-id', 'alice', '--issuer', 'https://keys.example.com'],
      { type: 'user', id: 'alice', issuer: 'https://keys.example.com' },
    ],
  ])('asks on behalf of whom %j names', async (flags, subject) => {
    const { requests, parts } = await surroundings()
    const { code, stdout } = await runCommand(['connect', 'token', 'oauth/login', ...flags], parts)
    expect([code, stdout]).toEqual([0, 'provider-token\n'])
    expect(requests.map(({ body }) => body)).toEqual([{ subject }])
  })

  it.each([
    [['--issuer', 'https://keys.example.com']],
    [['--subject', 'user', '--issuer', 'https://keys.example.com']],
    [['--subject', 'user', '--user-id', 'alice', '--issuer', '']],
    [['--user-id', 'alice']],
  ])('refuses %j with exit 2, and asks nobody', async (flags) => {
    const { requests, parts } = await surroundings()
    const { code } = await runCommand(['connect', 'token', 'oauth/login', '--json', ...flags], parts)
    expect([code, requests]).toEqual([2, []])
  })
})
