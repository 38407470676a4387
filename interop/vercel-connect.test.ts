import type { Driver } from '@valetkey/connectors'
import { followConsent } from '@valetkey/example-support'
import * as sdk from '@valetkey/sdk'
import {
  ConnectError,
  ConnectorInstallationRequiredError,
  deleteTokenCacheEntry,
  getConnectorMetadata,
  getToken,
  getTokenResponse,
  NoValidTokenError,
  revokeToken,
  startAuthorization,
  UserAuthorizationRequiredError,
} from '@vercel/connect'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type LibraryBroker, startDevelopment, startLibrary, type TestBroker } from './support/broker.ts'
import { type Account, callGitHub, detail, type GitHubService, startGitHub } from './support/github.ts'
import { attach, createConnector, createWorkload } from './support/operator.ts'
import { rejectionOf } from './support/rejection.ts'

const app = { subject: { type: 'app' } } as const
const reach = globalThis.fetch

/** Sends what is meant for Vercel's API to another place, and everything else where it is meant to go. */
function pointVercelAt(base: string, fetch: typeof globalThis.fetch = reach): void {
  globalThis.fetch = (input, init) => {
    const request = new Request(input, init)
    const url = new URL(request.url)
    if (url.protocol !== 'https:' || !/^api(?:-[a-z0-9]+)?\.vercel\.com$/.test(url.host))
      return reach(request)
    return fetch(new Request(`${base}${url.pathname}${url.search}`, request))
  }
}

/** A driver of a connector whose app holds no credential: an extension, written with the public interface. */
const emptyDriver: Driver = {
  service: 'empty',
  type: 'empty',
  title: 'Empty',
  behaviour: {
    subjects: ['app'],
    narrows: {
      scopes: false,
      resources: false,
      audience: false,
      authorizationDetails: [],
      installationId: false,
    },
    standing: false,
    callsProvider: false,
    revokesTokens: false,
  },
  dataSchema: {},
  secretFields: [],
  parseSettings: () => ({ configuration: {}, secrets: {} }),
  mergeSettings: (current) => current,
  check: async () => ({ configuration: {} }),
  clientUrl: () => undefined,
  normalizeDetail: (given) => given,
  holdDetail: (asked) => ({ within: true, detail: asked }),
  isFullAccess: () => false,
  mint: async () => ({ outcome: 'refused', reason: 'no_credential', message: 'It holds no credential' }),
}

/** A driver of a provider at which everybody agrees at once: an extension, written with the public interface. */
const agreeingDriver: Driver = {
  ...emptyDriver,
  service: 'agreeing',
  type: 'agreeing',
  title: 'Agreeing',
  behaviour: {
    ...emptyDriver.behaviour,
    subjects: ['user'],
    narrows: { ...emptyDriver.behaviour.narrows, scopes: true },
  },
  consent: {
    places: [],
    behaviour: () => ({ kinds: ['user'], refreshEndsAccessToken: false, endsGrants: false }),
    defaultScopes: () => ['read'],
    start: async (_settings, { redirectUri, state }) => ({
      url: `${redirectUri}?${new URLSearchParams({ state, code: 'agreed' })}`,
      pending: {},
    }),
    finish: async (_settings, { start, url }) =>
      url.searchParams.get('code') === 'agreed'
        ? {
            outcome: 'granted',
            credential: {
              accessToken: 'token-of-a-user',
              accessExpiresAtMs: Date.now() + 3_600_000,
              granted: { scopes: start.scopes, resources: [], authorizationDetails: [] },
            },
            identity: { externalSubject: 'person-1' },
          }
        : { outcome: 'refused', reason: 'denied', message: 'No' },
    issue: (_settings, { credential }) => ({
      outcome: 'minted',
      token: credential.accessToken ?? '',
      expiresAtMs: credential.accessExpiresAtMs,
      granted: credential.granted,
      enforcedBy: 'provider',
      origins: ['https://api.agreeing.example'],
    }),
  },
}

describe('the published @vercel/connect client, pointed at a broker', () => {
  const accounts: readonly Account[] = [
    { login: 'acme', installationId: 100, repositories: ['website', 'payroll'] },
    { login: 'globex', installationId: 200, repositories: ['site'] },
  ]
  let broker: TestBroker
  let github: GitHubService
  let connectorId: string
  let options: { readonly vercelToken: string }

  beforeAll(async () => {
    broker = await startDevelopment()
    github = await startGitHub({ accounts })
    const { owner } = broker
    options = { vercelToken: await createWorkload(owner, 'site') }
    await createConnector(owner, 'github', 'mybot', github.connector)
    connectorId = await createConnector(owner, 'api-key', 'weather', {
      value: 'weather-key',
      serviceUrls: ['https://weather.example'],
      instructions: 'Ask the weather team',
    })
    await createConnector(owner, 'api-key', 'elsewhere', { value: 'other-key' })
    for (const connector of ['github/mybot', 'api-key/weather'])
      await attach(owner, connector, 'site', 'development')
  })
  afterAll(async () => {
    await github.close()
    await broker.close()
  })
  beforeEach(() => pointVercelAt(broker.url))
  afterEach(() => {
    globalThis.fetch = reach
  })

  it('gets a token by the UID and by the id of a connector', async () => {
    expect(await getToken('api-key/weather', app, options)).toBe('weather-key')
    expect(await getToken(connectorId, app, options)).toBe('weather-key')
  })

  it('gets one through a regional address', async () => {
    const regional = { ...options, region: 'sfo1', forceRefresh: true }
    expect(await getToken('api-key/weather', app, regional)).toBe('weather-key')
  })

  it('finds every field it documents in the answer', async () => {
    const answer = await getTokenResponse('api-key/weather', app, { ...options, forceRefresh: true })
    expect(answer).toMatchObject({
      token: 'weather-key',
      tokenId: expect.stringMatching(/^stk_/),
      connector: { id: connectorId, uid: 'api-key/weather', type: 'api-key' },
    })
    expect(answer.expiresAt).toBeGreaterThan(Date.now() + 30_000)
    expect(answer.expiresAt).toBeLessThanOrEqual(Date.now() + 3_600_000)
  })

  it('is served from its own cache until it forgets', async () => {
    const params = { ...app, validityBufferMs: 1_000 }
    const first = await getTokenResponse('github/mybot', { ...params, installationId: '200' }, options)
    expect(await getTokenResponse('github/mybot', { ...params, installationId: '200' }, options)).toBe(first)
    deleteTokenCacheEntry('github/mybot', { ...params, installationId: '200' })
    const again = await getTokenResponse('github/mybot', { ...params, installationId: '200' }, options)
    expect(again).not.toBe(first)
    expect(again.tokenId).toBe(first.tokenId)
  })

  it('narrows a GitHub token with authorizationDetails, and GitHub enforces it', async () => {
    const params = { ...app, authorizationDetails: [detail(['acme/website'], ['contents:read'])] }
    const answer = await getTokenResponse('github/mybot', params as never, options)
    expect(answer).toMatchObject({ installationId: '100', name: 'acme' })
    const { url } = github
    expect(await callGitHub(url, answer.token, 'GET', '/repos/acme/website/contents/README.md')).toBe(200)
    expect(await callGitHub(url, answer.token, 'GET', '/repos/acme/payroll/contents/README.md')).not.toBe(200)
    const file = { message: 'no', content: 'bm8=' }
    expect(await callGitHub(url, answer.token, 'PUT', '/repos/acme/website/contents/x.txt', file)).toBe(403)
  })

  it('revokes, and the next token is another one', async () => {
    const params = { ...app, installationId: '100' }
    const before = await getTokenResponse('github/mybot', params, options)
    expect(await revokeToken('github/mybot', params, options)).toBeUndefined()
    const after = await getTokenResponse('github/mybot', params, options)
    expect(after.tokenId).not.toBe(before.tokenId)
    expect(after.token).not.toBe(before.token)
  })

  it('reads the metadata of a connector, public configuration as vendor', async () => {
    const found = await getConnectorMetadata('api-key/weather', options)
    expect(found).toEqual({
      id: connectorId,
      uid: 'api-key/weather',
      name: 'weather',
      type: 'api-key',
      service: 'api-key',
      clientUrl: 'https://weather.example',
      createdAt: expect.any(Number),
      updatedAt: expect.any(Number),
      vendor: {
        subjectType: 'app',
        serviceUrls: ['https://weather.example'],
        instructions: 'Ask the weather team',
      },
    })
    expect(await getConnectorMetadata(connectorId, options)).toEqual(found)
    const { vendor } = await getConnectorMetadata('github/mybot', options)
    expect(vendor).toMatchObject({ appId: '12345', appSlug: 'mybot' })
    expect(JSON.stringify(vendor)).not.toContain('PRIVATE KEY')
  })

  it.each([['api-key/elsewhere'], ['api-key/nowhere']])(
    'is told forbidden for %s, which is not attached, in the words it matches',
    async (connector) => {
      const error = (await rejectionOf(getToken(connector, app, options))) as ConnectError
      expect(error).toBeInstanceOf(ConnectError)
      expect(error).toMatchObject({ name: 'ConnectError', code: 'forbidden', status: 403 })
      expect(error.message).toContain('connector is not linked to this project')
      const metadata = (await rejectionOf(getConnectorMetadata(connector, options))) as ConnectError
      expect(metadata).toMatchObject({ code: 'forbidden', status: 403 })
      expect(metadata.message).toContain('connector is not linked to this project')
    },
  )

  it('is told that a connector without users knows no user subject', async () => {
    const error = (await rejectionOf(
      getToken('api-key/weather', { subject: { type: 'user', id: 'u1' } }, options),
    )) as ConnectError
    expect(error.constructor).toBe(ConnectError)
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 })
    expect(error.message).toContain('user')
  })

  it('maps an ambiguous installation to ConnectorInstallationRequiredError', async () => {
    const error = await rejectionOf(getToken('github/mybot', app, options))
    expect(error).toBeInstanceOf(ConnectorInstallationRequiredError)
    expect(error).toMatchObject({ code: 'connector_installation_required', status: 422 })
  })

  it('maps an identity that is not accepted to a plain ConnectError', async () => {
    const error = await rejectionOf(
      getToken('api-key/weather', { ...app, scopes: ['x'] }, { vercelToken: 'no' }),
    )
    expect(error).toBeInstanceOf(ConnectError)
    expect(error).toMatchObject({ code: 'identity_invalid', status: 401, statusText: 'Unauthorized' })
  })

  it('maps an app without a credential to NoValidTokenError', async () => {
    const library = await startLibrary({ development: true, drivers: [emptyDriver] })
    try {
      const vercelToken = await createWorkload(library.owner, 'site')
      await createConnector(library.owner, 'empty', 'mybot', {})
      await attach(library.owner, 'empty/mybot', 'site', 'development')
      pointVercelAt(library.url, library.fetch)
      const error = await rejectionOf(getToken('empty/mybot', app, { vercelToken }))
      expect(error).toBeInstanceOf(NoValidTokenError)
      expect(error).toMatchObject({ code: 'no_token', status: 422 })
    } finally {
      await library.close()
    }
  })
})

describe('the published @vercel/connect client, starting consents', () => {
  const callbackUrl = 'https://app.example/connected'
  let library: LibraryBroker
  let options: { readonly vercelToken: string }

  beforeAll(async () => {
    library = await startLibrary({ development: true, drivers: [agreeingDriver] })
    const { owner } = library
    options = { vercelToken: await createWorkload(owner, 'site') }
    await createConnector(owner, 'agreeing', 'bound', {})
    await createConnector(owner, 'agreeing', 'careful', {})
    await attach(owner, 'agreeing/bound', 'site', 'development', { dangerouslyBindOnConsent: true })
    await attach(owner, 'agreeing/careful', 'site', 'development')
  })
  afterAll(() => library.close())
  beforeEach(() => pointVercelAt(library.url, library.fetch))
  afterEach(() => {
    globalThis.fetch = reach
  })

  const subjectOf = (id: string) => ({ subject: { type: 'user', id } }) as const

  /** Goes through the consent as a browser would; `fetch` reaches the broker, which has no port. */
  async function consent(url: string): Promise<URL> {
    const vercel = globalThis.fetch
    globalThis.fetch = async (input, init) => {
      const request = new Request(input, init)
      const headers = new Headers(request.headers)
      headers.set('sec-fetch-mode', 'navigate')
      if (request.method === 'POST') headers.set('origin', new URL(library.url).origin)
      const { status, headers: answered, body } = await library.fetch(new Request(request, { headers }))
      const html = await new Response(body).text()
      // The page that leads away does so by itself.
      const refresh = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(html)?.[1]
      const out = new Headers(answered)
      if (refresh !== undefined) out.set('location', refresh.replaceAll('&amp;', '&'))
      return new Response(html, { status: refresh === undefined ? status : 303, headers: out })
    }
    try {
      return await followConsent(url, callbackUrl, ([form]) =>
        form === undefined ? undefined : { ...form, fields: { ...form.fields, action: 'continue' } },
      )
    } finally {
      globalThis.fetch = vercel
    }
  }

  it('has a token for a user after consent, where an operator lets consent alone bind', async () => {
    const params = subjectOf('ann')
    const before = await rejectionOf(getToken('agreeing/bound', params, options))
    expect(before).toBeInstanceOf(UserAuthorizationRequiredError)
    const began = await startAuthorization('agreeing/bound', params, { ...options, callbackUrl })
    expect(began).toMatchObject({
      request: expect.stringMatching(/^ask_/),
      verifier: expect.any(String),
      url: `${library.url}/consent/${began.request}`,
      expiresAt: expect.any(Number),
      connector: { uid: 'agreeing/bound', type: 'agreeing', service: 'agreeing', serviceName: 'Agreeing' },
    })
    const back = await consent(began.url)
    expect([...back.searchParams.keys()]).toEqual(['request'])
    expect(await getToken('agreeing/bound', params, { ...options, forceRefresh: true })).toBe(
      'token-of-a-user',
    )
    await revokeToken('agreeing/bound', params, options)
    expect(await rejectionOf(getToken('agreeing/bound', params, options))).toBeInstanceOf(
      UserAuthorizationRequiredError,
    )
  })

  it('is refused where consent alone does not bind, with the reason and nothing begun', async () => {
    const error = await rejectionOf(
      startAuthorization('agreeing/careful', subjectOf('ann'), { ...options, callbackUrl }),
    )
    expect(error).toBeInstanceOf(ConnectError)
    expect(error).toMatchObject({ code: 'invalid_request', status: 400 })
    expect((error as ConnectError).message).toContain('--dangerously-bind-on-consent')
  })

  it('gets no token by a consent that the SDK of this project bound to its completion', async () => {
    const client = sdk.createClient({
      url: library.url,
      fetch: library.fetch,
      identity: async () => options.vercelToken,
    })
    const params = subjectOf('ben')
    const began = await client.startAuthorization('agreeing/bound', params, { callbackUrl })
    const code = (await consent(began.url)).searchParams.get('code') ?? ''
    expect(await rejectionOf(getToken('agreeing/bound', params, options))).toBeInstanceOf(
      UserAuthorizationRequiredError,
    )
    const { request, verifier } = began
    await client.completeAuthorization({ request, verifier, code, subject: params.subject })
    expect(await getToken('agreeing/bound', params, { ...options, forceRefresh: true })).toBe(
      'token-of-a-user',
    )
  })
})
