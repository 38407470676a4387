import { ConnectorInstallationRequiredError, createClient } from '@valetkey/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevelopment, type TestBroker } from './support/broker.ts'
import { type Front, startFront } from './support/front.ts'
import {
  type Account,
  callGitHub,
  createAppKey,
  detail,
  type GitHubService,
  startGitHub,
} from './support/github.ts'
import { attach, createConnector, createWorkload, developmentIdentity } from './support/operator.ts'
import { refusalOf } from './support/rejection.ts'

const app = { subject: { type: 'app' } } as const
const readme = (repository: string) => `/repos/${repository}/contents/README.md`
const file = { message: 'written', content: 'eA==' }

describe('GitHub tokens, minted by the real driver from emulate', () => {
  const accounts: readonly Account[] = [
    { login: 'acme', installationId: 100, repositories: ['website', 'payroll'] },
    { login: 'globex', installationId: 200, repositories: ['site'] },
  ]
  let broker: TestBroker
  let github: GitHubService
  let identity: string

  beforeAll(async () => {
    broker = await startDevelopment()
    github = await startGitHub({ accounts })
    identity = await createWorkload(broker.owner, 'agent')
  })
  afterAll(async () => {
    await github.close()
    await broker.close()
  })

  /** A connector of its own for a test, attached to `agent`, and a client with an empty cache. */
  async function connect(name: string, options: { data?: object; ceiling?: object } = {}) {
    const { data = github.connector, ceiling = {} } = options
    await createConnector(broker.owner, 'github', name, data)
    await attach(broker.owner, `github/${name}`, 'agent', 'development', ceiling)
    return createClient({ url: broker.url, identity })
  }

  it('open what was asked for, in the one repository, and nothing else', async () => {
    const client = await connect('narrow')
    const answer = await client.getTokenResponse('github/narrow', {
      ...app,
      authorizationDetails: [detail(['acme/website'], ['contents:read'])],
    })
    expect(answer).toMatchObject({
      enforcedBy: 'provider',
      origins: [new URL(github.url).origin],
      installationId: '100',
      granted: {
        authorizationDetails: [
          {
            type: 'github_app_installation',
            org: 'acme',
            repositories: ['acme/website'],
            permissions: expect.arrayContaining(['contents:read']),
          },
        ],
      },
    })
    expect(answer.standing).toBeUndefined()
    expect(await callGitHub(github.url, answer.token, 'GET', readme('acme/website'))).toBe(200)
    expect(await callGitHub(github.url, answer.token, 'PUT', '/repos/acme/website/contents/x', file)).toBe(
      403,
    )
    expect(
      await callGitHub(github.url, answer.token, 'POST', '/repos/acme/website/issues', { title: 'x' }),
    ).toBe(403)
    expect([403, 404]).toContain(await callGitHub(github.url, answer.token, 'GET', readme('acme/payroll')))
    expect([403, 404]).toContain(await callGitHub(github.url, answer.token, 'GET', readme('globex/site')))
  })

  it('carry another permission when that is asked for', async () => {
    const client = await connect('writer')
    const token = await client.getToken('github/writer', {
      ...app,
      authorizationDetails: [detail(['acme/website'], ['issues:write'])],
    })
    expect(
      await callGitHub(github.url, token, 'POST', '/repos/acme/website/issues', { title: 'Hello' }),
    ).toBe(201)
    expect(await callGitHub(github.url, token, 'PUT', '/repos/acme/website/contents/y', file)).toBe(403)
  })

  it('are of the installation that is named, and of none when several match', async () => {
    const client = await connect('several')
    const error = await refusalOf(client.getToken('github/several', app))
    expect(error).toBeInstanceOf(ConnectorInstallationRequiredError)
    expect(error).toMatchObject({ code: 'connector_installation_required', status: 422, retryable: false })
    expect(error.message).not.toMatch(/acme|globex/)

    const globex = await client.getTokenResponse('github/several', { ...app, installationId: '200' })
    expect(globex).toMatchObject({ installationId: '200', name: 'globex' })
    expect(await callGitHub(github.url, globex.token, 'GET', readme('globex/site'))).toBe(200)
    expect([403, 404]).toContain(await callGitHub(github.url, globex.token, 'GET', readme('acme/website')))

    const byOwner = { ...app, authorizationDetails: [{ type: 'github_app_installation', org: 'acme' }] }
    expect(await client.getTokenResponse('github/several', byOwner)).toMatchObject({ installationId: '100' })
    expect(
      await refusalOf(client.getToken('github/several', { ...byOwner, installationId: '200' })),
    ).toMatchObject({
      code: 'invalid_request',
    })
    expect(
      await refusalOf(client.getToken('github/several', { ...app, installationId: '999' })),
    ).toMatchObject({
      code: 'connector_installation_required',
    })
  })

  it('end at the ceiling: above it is refused with the part named, and nothing asked is the ceiling', async () => {
    const ceiling = { authorizationDetails: [detail(['acme/website'], ['contents:read'])] }
    const client = await connect('limited', { ceiling })
    const ask = (repositories: string[], permissions: string[]) =>
      client.getToken('github/limited', { ...app, authorizationDetails: [detail(repositories, permissions)] })
    const wider = await refusalOf(ask(['acme/website'], ['contents:write']))
    expect(wider).toMatchObject({ code: 'above_ceiling', status: 403 })
    expect(wider.message).toContain('contents:write')
    const other = await refusalOf(ask(['acme/payroll'], ['contents:read']))
    expect(other.code).toBe('above_ceiling')
    expect(other.message).toContain('acme/payroll')

    const token = await client.getToken('github/limited', app)
    expect(await callGitHub(github.url, token, 'GET', readme('acme/website'))).toBe(200)
    expect([403, 404]).toContain(await callGitHub(github.url, token, 'GET', readme('acme/payroll')))
  })

  it('are refused above what GitHub granted the app', async () => {
    const client = await connect('ungranted')
    const details = [detail(['acme/website'], ['administration:write'])]
    const error = await refusalOf(
      client.getToken('github/ungranted', { ...app, authorizationDetails: details }),
    )
    expect(error).toMatchObject({ code: 'above_ceiling', status: 403 })
    expect(error.message).toContain('administration:write')
  })

  it('are not given for everything in production, unless the attachment says so', async () => {
    await createConnector(broker.owner, 'github', 'production', github.connector)
    await attach(broker.owner, 'github/production', 'agent', 'production')
    const production = await developmentIdentity(broker.owner, 'agent', 'production')
    const client = createClient({ url: broker.url, identity: production })
    const params = { ...app, installationId: '100' }
    expect((await refusalOf(client.getToken('github/production', params))).code).toBe('above_ceiling')
    await attach(broker.owner, 'github/production', 'agent', 'production', { fullAccess: true })
    expect(await client.getToken('github/production', params)).toMatch(/^ghs_/)
  })

  it('are minted once for a burst of equal requests of several processes', async () => {
    await connect('burst')
    const before = await github.tokensMade()
    const params = { ...app, installationId: '100' }
    const clients = Array.from({ length: 12 }, () => createClient({ url: broker.url, identity }))
    const tokens = await Promise.all(clients.map((client) => client.getToken('github/burst', params)))
    expect(new Set(tokens).size).toBe(1)
    expect(await github.tokensMade()).toBe(before + 1)
  })

  it('are another one after revokeToken, and not served again', async () => {
    const client = await connect('revoked')
    const params = { ...app, installationId: '100' }
    const before = await client.getTokenResponse('github/revoked', params)
    // Another process, without the first one's cache, is served the same.
    const other = createClient({ url: broker.url, identity })
    expect((await other.getTokenResponse('github/revoked', params)).tokenId).toBe(before.tokenId)
    await client.revokeToken('github/revoked', params)
    const after = await client.getTokenResponse('github/revoked', params)
    expect(after.tokenId).not.toBe(before.tokenId)
    expect(after.token).not.toBe(before.token)
  })

  it('say truthfully that GitHub did not end them where it knows no such call, as emulate', async () => {
    const client = await connect('counted')
    await client.getToken('github/counted', { ...app, installationId: '100' })
    const path = '/v1/connect/connectors/github%2Fcounted/tokens'
    expect(await broker.owner.call('DELETE', path, {})).toEqual({
      tokensFound: 1,
      deleted: 1,
      providerRevoked: 0,
      providerSkipped: 0,
      providerFailed: 1,
    })
  })

  describe('of a server with its API under a path, as GitHub Enterprise Server', () => {
    let front: Front
    beforeAll(async () => {
      front = await startFront(github.url, '/api/v3')
    })
    afterAll(() => front.close())

    const enterprise = () => ({ ...github.connector, apiUrl: front.url, webUrl: new URL(front.url).origin })

    it('are asked for under that path, and only for its origin', async () => {
      const client = await connect('enterprise', { data: enterprise() })
      const answer = await client.getTokenResponse('github/enterprise', {
        ...app,
        authorizationDetails: [detail(['acme/website'], ['contents:read'])],
      })
      expect(answer.origins).toEqual([new URL(front.url).origin])
      expect(await callGitHub(front.url, answer.token, 'GET', readme('acme/website'))).toBe(200)
      expect(await client.getConnectorMetadata('github/enterprise')).toMatchObject({
        clientUrl: new URL(front.url).origin,
        vendor: { apiUrl: front.url },
      })
    })

    it('keep attachments and lose their tokens when the key of the app is replaced', async () => {
      const client = await connect('rotated', { data: enterprise() })
      const params = { ...app, installationId: '100' }
      const fresh = { forceRefresh: true }
      const before = await client.getTokenResponse('github/rotated', params)
      expect((await client.getTokenResponse('github/rotated', params, fresh)).tokenId).toBe(before.tokenId)

      // GitHub knows only the new key from here on; the broker still signs with the old one.
      const privateKeyPem = createAppKey()
      const renewed = await startGitHub({ accounts, privateKeyPem })
      front.pointAt(renewed.url)
      try {
        const other = { ...app, installationId: '200' }
        const refused = await refusalOf(client.getToken('github/rotated', other))
        expect(refused).toMatchObject({ code: 'provider_refused', status: 422, retryable: false })

        const path = '/v1/connect/connectors/github%2Frotated'
        const wrong = await broker.owner.ask('PATCH', path, { data: { privateKeyPem: createAppKey() } })
        expect(wrong).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } })
        await broker.owner.call('PATCH', path, { data: { privateKeyPem } })

        const after = await client.getTokenResponse('github/rotated', params, fresh)
        expect(after.tokenId).not.toBe(before.tokenId)
        expect(await callGitHub(renewed.url, after.token, 'GET', readme('acme/website'))).toBe(200)
        expect(await client.getToken('github/rotated', other)).toMatch(/^ghs_/)
      } finally {
        front.pointAt(github.url)
        await renewed.close()
      }
    })

    it.each([[500], [503]])(
      'are a provider_error while it answers %i, and come back after it',
      async (status) => {
        const name = `outage-${status}`
        const client = await connect(name, { data: enterprise() })
        const ask = () =>
          client.getToken(`github/${name}`, { ...app, installationId: '100' }, { timeoutMs: 5_000 })
        front.answerOnly(status)
        try {
          expect(await refusalOf(ask())).toMatchObject({
            code: 'provider_error',
            status: 502,
            retryable: true,
          })
        } finally {
          front.answerOnly(undefined)
        }
        expect(await ask()).toMatch(/^ghs_/)
      },
    )
  })

  it('are a provider_error while nothing answers there, and what was issued is still served', async () => {
    const gone = await startGitHub({ accounts })
    const client = await connect('gone', { data: gone.connector })
    const params = { ...app, installationId: '100' }
    const before = await client.getTokenResponse('github/gone', params)
    await gone.close()
    const other = { ...app, installationId: '200' }
    expect(await refusalOf(client.getToken('github/gone', other))).toMatchObject({ code: 'provider_error' })
    const again = await client.getTokenResponse('github/gone', params, { forceRefresh: true })
    expect(again.tokenId).toBe(before.tokenId)
  })
})

describe('a GitHub connector that can not work', () => {
  let broker: TestBroker
  let github: GitHubService
  beforeAll(async () => {
    broker = await startDevelopment()
    github = await startGitHub()
  })
  afterAll(async () => {
    await github.close()
    await broker.close()
  })

  const create = (data: object) =>
    broker.owner.ask('POST', '/v1/connect/connectors', { service: 'github', name: 'bad', data })

  it.each([
    [
      'a key that is no key',
      { privateKeyPem: '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----' },
    ],
    ['the key of another app', { privateKeyPem: createAppKey() }],
    ['the id of another app', { appId: 54_321 }],
  ])('is refused at once with %s, and the key is not repeated', async (_what, wrong) => {
    const { status, body } = await create({ ...github.connector, ...wrong })
    expect(status).toBe(400)
    expect(body.error.code).toBe('invalid_request')
    expect(body.error.message).toContain('privateKeyPem')
    expect(JSON.stringify(body)).not.toMatch(/BEGIN|AAAA/)
  })

  it('is a provider_error when nothing answers at apiUrl', async () => {
    const gone = await startFront(github.url)
    await gone.close()
    const { status, body } = await create({ ...github.connector, apiUrl: gone.url })
    expect(status).toBe(502)
    expect(body.error.code).toBe('provider_error')
  })

  it('is not stored: nothing is listed afterwards', async () => {
    expect(await broker.owner.call('GET', '/v1/connect/connectors')).toEqual({ clients: [], cursor: null })
  })
})
