import {
  startAws,
  startAzure,
  startBuildkite,
  startCircleci,
  startGithubActions,
  startGoogleCloud,
  startTriggerDev,
  startVercel,
} from '@valetkey/testing/platforms'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { getTokenIn } from '../../calls/get-token.ts'
import type { Destination } from '../../issuing-point/issuing-point.ts'
import {
  brokerUrl,
  countingFetch,
  environment,
  errorOf,
  inAnHourSeconds,
  jwt,
  testContext,
} from '../../test-support/fakes.ts'
import { findIdentity } from '../find-identity.ts'
import { obtainIdentity } from '../obtain-identity.ts'
import { readByOthers } from '../test-support/every-platform.ts'
import { unverifiedClaims } from '../unverified-claims.ts'

const app = { subject: { type: 'app' } } as const

afterEach(() => {
  vi.unstubAllEnvs()
})

const onGithub = { GITHUB_ACTIONS: 'true', ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'secret' }
const onBuildkite = { BUILDKITE: 'true', BUILDKITE_JOB_ID: 'job', BUILDKITE_AGENT_ACCESS_TOKEN: 'secret' }
const onAzure = { VALETKEY_AZURE_RESOURCE: 'api://valetkey', IDENTITY_HEADER: 'secret' }
const notTheirs = [
  'http://platform.example',
  'http://127.0.0.1.platform.example',
  'http://localhost.platform.example/',
  'http://127.0.0.1@platform.example',
  'http://user:secret@127.0.0.1:8080',
  'https://user:secret@platform.example',
  'http://[::2]/',
  'http://169.254.169.254.platform.example',
  'ftp://127.0.0.1',
  'file:///etc/passwd',
  'platform.example',
]

describe('an address in the environment', () => {
  it.each([
    ['ACTIONS_ID_TOKEN_REQUEST_URL', onGithub],
    ['BUILDKITE_AGENT_ENDPOINT', onBuildkite],
    ['TRIGGER_API_URL', { TRIGGER_RUN_TOKEN: 'secret' }],
    ['IDENTITY_ENDPOINT', onAzure],
  ])('S14 %s elsewhere is refused before anything is sent', async (variable, variables) => {
    const fetch = countingFetch()
    for (const address of notTheirs) {
      const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, ...variables, [variable]: address })
      const error = await errorOf(getTokenIn(context, 'c', app, undefined))
      expect([address, error.code]).toEqual([address, 'identity_unavailable'])
      expect(error.message).toContain(variable)
      expect(error.message).not.toMatch(/secret|platform\.example/)
    }
    expect(fetch.seen).toEqual([])
  })

  it.each(['ACTIONS_ID_TOKEN_REQUEST_URL', 'BUILDKITE_AGENT_ENDPOINT', 'TRIGGER_API_URL'])(
    'S14 %s on a link-local address is refused: only Azure has one',
    async (variable) => {
      const fetch = countingFetch()
      const variables = { ...onGithub, [variable]: 'http://169.254.129.3:8081' }
      const own = variable.startsWith('ACTIONS')
        ? variables
        : variable.startsWith('BUILDKITE')
          ? { ...onBuildkite, [variable]: 'http://169.254.129.3:8081' }
          : { TRIGGER_RUN_TOKEN: 'secret', [variable]: 'http://169.254.129.3:8081' }
      const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, ...own })
      expect((await errorOf(getTokenIn(context, 'c', app, undefined))).message).toContain(variable)
      expect(fetch.seen).toEqual([])
    },
  )

  it('S14 IDENTITY_ENDPOINT on App Service’s link-local address is asked', async () => {
    const fetch = countingFetch()
    const variables = { ...onAzure, IDENTITY_ENDPOINT: 'http://169.254.129.3:8081/msi/token' }
    const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, ...variables })
    await errorOf(getTokenIn(context, 'c', app, undefined))
    expect(fetch.seen.map(({ url }) => new URL(url).host)).toEqual(['169.254.129.3:8081'])
  })

  it.each([
    'metadata.example',
    'metadata.google.internal.example',
    'metadata.google.internal@metadata.example',
    '127.0.0.1:80@metadata.example',
    'metadata.example#127.0.0.1',
    '127.0.0.1/elsewhere',
    '127.0.0.1?x=',
    '169.254.169.253',
    '[::2]',
    'metadata.google.internal:99999',
  ])('S14 GCE_METADATA_HOST=%s is refused before anything is sent', async (host) => {
    const fetch = countingFetch()
    const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, GCE_METADATA_HOST: host })
    const error = await errorOf(getTokenIn(context, 'c', app, undefined))
    expect(error.message).toContain('GCE_METADATA_HOST')
    expect(fetch.seen).toEqual([])
  })

  it.each([
    'metadata.google.internal',
    'metadata.google.internal:80',
    '169.254.169.254',
    'Metadata',
    '[fd20:ce::254]',
  ])('GCE_METADATA_HOST=%s is the metadata server', async (host) => {
    const fetch = countingFetch()
    const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, GCE_METADATA_HOST: host })
    await errorOf(getTokenIn(context, 'c', app, undefined))
    expect(fetch.seen.map(({ url }) => new URL(url).pathname)).toEqual([
      '/computeMetadata/v1/instance/service-accounts/default/identity',
    ])
  })

  it.each([
    'https://management.azure.com',
    'https://management.azure.com/',
    'https://graph.microsoft.com',
    'https://vault.azure.net',
  ])('S14 VALETKEY_AZURE_RESOURCE=%s is not asked for: the token would work there', async (resource) => {
    const fetch = countingFetch()
    const variables = {
      ...onAzure,
      IDENTITY_ENDPOINT: 'http://127.0.0.1:1',
      VALETKEY_AZURE_RESOURCE: resource,
    }
    const context = testContext({ fetch }, { VALETKEY_URL: brokerUrl, ...variables })
    expect((await errorOf(getTokenIn(context, 'c', app, undefined))).message).toContain(
      'Azure gave no identity',
    )
    expect(fetch.seen).toEqual([])
  })

  it('Google’s answer without Google’s header is not believed', async () => {
    const token = jwt({ aud: brokerUrl, exp: inAnHourSeconds })
    const context = testContext(
      { fetch: async () => new Response(token) },
      { VALETKEY_URL: brokerUrl, K_SERVICE: 'x' },
    )
    expect((await errorOf(getTokenIn(context, 'c', app, undefined))).message).toContain('Google Cloud')
  })
})

describe('an audience that an address would misread', () => {
  const azureResource = 'api://a b&resource=https://evil.example/#c'
  const audience = 'https://broker.example/a b?c=d&audience=evil&e=%26#f+g é'
  const destination: Destination = {
    id: 'x',
    audience,
    origin: brokerUrl,
    isVercelConnect: false,
    namedByUrl: true,
    reach: { id: 'x', audience, issueToken: () => Promise.resolve(undefined) },
  }

  it.each([
    ['github-actions', startGithubActions],
    ['circleci', startCircleci],
    ['buildkite', startBuildkite],
    ['vercel', startVercel],
    ['trigger-dev', startTriggerDev],
    ['google-cloud', startGoogleCloud],
    ['aws', startAws],
    // In version 1 the token says what was asked for.
    ['azure', () => startAzure({ resource: azureResource, claims: { aud: azureResource, ver: '1.0' } })],
  ] as const)('reaches %s as it is', async (name, start) => {
    const platform = await start()
    const variables = platform.environment
    for (const variable of readByOthers) vi.stubEnv(variable, variables[variable] ?? process.env[variable])
    const read = environment({ ...variables, VALETKEY_IDENTITY: name })
    const token = await obtainIdentity(findIdentity(read, destination), {
      destination,
      fetch: platform.fetch,
      signal: AbortSignal.timeout(10_000),
      remainingMs: () => 10_000,
      now: Date.now,
      read,
    })
    await platform.close()
    expect(unverifiedClaims(token)?.audiences).toEqual([variables.VALETKEY_AZURE_RESOURCE ?? audience])
  })
})
