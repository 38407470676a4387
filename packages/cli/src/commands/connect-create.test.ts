import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createFakeFetch, runCommand, temporaryFolder } from '../testing/shell.ts'

const url = 'https://keys.example.com'
const environment = { VALETKEY_URL: `${url}/`, VALETKEY_ACCESS_TOKEN: 'vk_operator_secret' }
const server = 'https://login.crm.example'
const crm = {
  id: 'scl_1',
  uid: 'oauth/crm',
  name: 'crm',
  type: 'oauth',
  service: 'oauth',
  supportedSubjectTypes: ['user', 'app'],
  data: { serverUrl: server, clientId: 'client' },
}
const redirectUri = `${url}/v1/connect/callback/scl_1`

function create(
  service: string,
  data: object | string,
  flags: readonly string[] = [],
  answer: unknown = crm,
) {
  const { fetch, requests } = createFakeFetch({ 'POST /v1/connect/connectors': answer })
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  const argv = ['connect', 'create', service, '--name', 'crm', '--data', text, ...flags]
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'crm.json'), JSON.stringify({ clientId: 'client', clientSecret: 's' }))
  return { requests, finished: runCommand(argv, { environment, fetch, folder }) }
}

describe('connect create with a URL', () => {
  it.each([[server], [`${server}/tenant/`], ['http://127.0.0.1:9000']])(
    'means the OAuth server at %s',
    async (serverUrl) => {
      const { requests, finished } = create(serverUrl, '@crm.json', ['--uid', 'crm/main'])
      expect((await finished).code).toBe(0)
      expect(requests.map(({ body }) => body)).toEqual([
        {
          service: 'oauth',
          name: 'crm',
          uid: 'crm/main',
          data: { clientId: 'client', clientSecret: 's', serverUrl },
        },
      ])
    },
  )

  it('takes data that names the same server', async () => {
    const { requests, finished } = create(server, { clientId: 'client', serverUrl: server })
    expect((await finished).code).toBe(0)
    expect(requests[0]?.body).toMatchObject({ data: { clientId: 'client', serverUrl: server } })
  })

  it.each([
    ['data of another server', server, { serverUrl: 'https://login.evil.example' }],
    ['data whose server is no text', server, { serverUrl: null }],
    ['http to another machine', 'http://login.crm.example', {}],
    ['another scheme', 'ftp://login.crm.example', {}],
    ['credentials in the URL', 'https://user:password-secret@login.crm.example', {}],
    ['a query', `${server}/?a=password-secret`, {}],
  ])('refuses %s with exit 2, and asks nobody', async (_what, service, data) => {
    const { requests, finished } = create(service, data, ['--json'])
    const { code, stdout, stderr } = await finished
    expect([code, JSON.parse(stdout).error.code]).toEqual([2, 'invalid_request'])
    expect(stdout + stderr).not.toMatch(/evil|password-secret/)
    expect(requests).toEqual([])
  })

  it('leaves the data of a service alone', async () => {
    const { requests, finished } = create('oauth', { serverUrl: server })
    expect((await finished).code).toBe(0)
    expect(requests[0]?.body).toEqual({ service: 'oauth', name: 'crm', data: { serverUrl: server } })
  })
})

describe('the redirect URI of a new connector', () => {
  it('is said to people and programs where users consent', async () => {
    const { stdout, stderr } = await create('oauth', {}).finished
    expect(stdout).toBe('Created connector oauth/crm (scl_1, oauth).\n')
    expect(stderr).toContain(`Next: register ${redirectUri} with the provider`)
    expect(stderr).toContain('Next: `valetkey connect attach oauth/crm')
    const json = await create('oauth', {}, ['--json']).finished
    expect(JSON.parse(json.stdout)).toEqual({ ...crm, redirectUri })
  })

  it("is the broker's own word where it says one", async () => {
    const said = { ...crm, redirectUri: 'https://public.example/v1/connect/callback/scl_1' }
    const { stdout } = await create('oauth', {}, ['--json'], said).finished
    expect(JSON.parse(stdout)).toEqual(said)
  })

  it.each([
    ['no user can consent', { ...crm, supportedSubjectTypes: ['app'] }],
    ['there is no app to consent to', { ...crm, data: {} }],
    ['the broker says neither', { id: 'scl_1', uid: 'u', name: 'n', type: 't', service: 's' }],
  ])('is not spoken of where %s', async (_what, answer) => {
    const { stdout, stderr } = await create('oauth', {}, [], answer).finished
    expect(stdout + stderr).not.toContain('callback')
    expect(JSON.parse((await create('oauth', {}, ['--json'], answer).finished).stdout)).toEqual(answer)
  })
})
