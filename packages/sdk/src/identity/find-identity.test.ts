import { describe, expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { issuingPointAt, vercelConnect } from '../issuing-point/choose-issuing-point.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import {
  brokerUrl,
  countingFetch,
  environment,
  errorOf,
  inAnHourSeconds,
  jwt,
  testContext,
} from '../test-support/fakes.ts'
import { findIdentity } from './find-identity.ts'
import { obtainIdentity } from './obtain-identity.ts'
import { identitySources } from './sources.ts'

const broker = issuingPointAt(brokerUrl, 'config.url', environment({}))
const connect = vercelConnect(environment({}))
const app = { subject: { type: 'app' } } as const

// What shows each source, in the order in which they are asked; '' for those that only VALETKEY_IDENTITY chooses.
const shownBy: Readonly<Record<string, string>> = {
  'id-token': 'VALETKEY_ID_TOKEN',
  'id-token-file': 'VALETKEY_ID_TOKEN_FILE',
  'id-token-command': 'VALETKEY_ID_TOKEN_COMMAND',
  'github-actions': 'ACTIONS_ID_TOKEN_REQUEST_URL',
  gitlab: 'GITLAB_CI',
  circleci: 'CIRCLECI',
  buildkite: 'BUILDKITE',
  bitbucket: 'BITBUCKET_BUILD_NUMBER',
  'hcp-terraform': 'TFC_RUN_ID',
  semaphore: '',
  spacelift: '',
  vercel: 'VERCEL_OIDC_TOKEN',
  'deno-deploy': 'DENO_DEPLOY',
  fly: 'FLY_APP_NAME',
  'trigger-dev': 'TRIGGER_RUN_TOKEN',
  modal: '',
  spiffe: 'VALETKEY_SPIFFE_TOKEN_FILE',
  kubernetes: 'VALETKEY_KUBERNETES_TOKEN_FILE',
  'google-cloud': 'K_SERVICE',
  azure: 'VALETKEY_AZURE_RESOURCE',
  aws: '',
  'access-token': 'VALETKEY_ACCESS_TOKEN',
}

const everything: Record<string, string> = {
  ...Object.fromEntries(Object.values(shownBy).map((name) => [name, `value of ${name}`])),
  SEMAPHORE_OIDC_TOKEN: 'x',
  SPACELIFT_OIDC_TOKEN: 'x',
  MODAL_IDENTITY_TOKEN: 'x',
  AWS_REGION: 'eu-central-1',
}
delete everything['']

const nameFor = (variables: Record<string, string>, destination: Destination = broker): string =>
  findIdentity(environment(variables), destination).source.name

const errorFor = (variables: Record<string, string>, destination: Destination = broker) => {
  const read = environment(variables)
  const context = {
    destination,
    fetch: countingFetch(),
    signal: new AbortController().signal,
    remainingMs: () => 1000,
    now: Date.now,
    read,
  }
  return errorOf(obtainIdentity(findIdentity(read, destination), context))
}

describe('the identity of the environment', () => {
  it('is that of the first source that matches, in a fixed order', () => {
    const variables = { ...everything }
    for (const [name, variable] of Object.entries(shownBy)) {
      if (variable === '') continue
      expect(nameFor(variables)).toBe(name)
      delete variables[variable]
    }
    expect(nameFor(variables)).toBe('none')
    expect(identitySources.map((source) => source.name)).toEqual(Object.keys(shownBy))
  })

  it.each(['semaphore', 'spacelift', 'modal', 'aws'])('is never that of %s unless it is named', (name) => {
    expect(nameFor({ ...everything, VALETKEY_IDENTITY: name })).toBe(name)
    const { source } = findIdentity(
      environment({ SEMAPHORE_OIDC_TOKEN: 'x', SPACELIFT_OIDC_TOKEN: 'x', MODAL_IDENTITY_TOKEN: 'x' }),
      broker,
    )
    expect(source.name).toBe('none')
  })

  it('is that of the source which VALETKEY_IDENTITY names', async () => {
    for (const { name } of identitySources)
      expect(nameFor({ ...everything, VALETKEY_IDENTITY: name })).toBe(name)
    expect((await errorFor({ ...everything, VALETKEY_IDENTITY: 'secret-value' })).message).toBe(
      `VALETKEY_IDENTITY names no identity source. There are: ${Object.keys(shownBy).join(', ')}`,
    )
    expect((await errorFor({ VALETKEY_IDENTITY: 'access-token' })).message).toBe(
      'VALETKEY_IDENTITY asks for access-token, but VALETKEY_ACCESS_TOKEN is not set',
    )
  })

  it('is missing with the reason of every source and what to run', async () => {
    const error = await errorFor({})
    expect(error.code).toBe('identity_unavailable')
    for (const { name } of identitySources) expect(error.message).toContain(`${name}: `)
    expect(error.message).toContain('valetkey env pull')
  })

  it.each([
    [{ GITHUB_ACTIONS: 'true' }, 'id-token: write'],
    [{ ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example' }, 'id-token: write'],
    [{ VERCEL: '1' }, 'enable OIDC federation'],
  ])('stops with the reason of a platform that matches and gives none: %j', async (variables, reason) => {
    const fetch = countingFetch()
    const context = testContext(
      { fetch },
      { ...variables, VALETKEY_ACCESS_TOKEN: 'good', VALETKEY_URL: brokerUrl },
    )
    const error = await errorOf(getTokenIn(context, 'c', app, undefined))
    expect(error.code).toBe('identity_unavailable')
    expect(error.message).toContain(reason)
    expect(fetch.seen).toHaveLength(0)
  })

  it('S14 of VALETKEY_* variables is for the origin of VALETKEY_URL or of the client’s url, and for no other', async () => {
    expect(nameFor(everything, connect)).toBe('vercel')
    const operatorOnly = {
      VALETKEY_ID_TOKEN: 'a',
      VALETKEY_ID_TOKEN_FILE: 'b',
      VALETKEY_ID_TOKEN_COMMAND: 'c',
      VALETKEY_ACCESS_TOKEN: 'd',
    }
    const custom = (origin?: string): Destination => ({
      id: 'x',
      audience: 'x',
      origin,
      isVercelConnect: false,
      namedByUrl: false,
      reach: { id: 'x', audience: 'x', issueToken: () => Promise.resolve(undefined) },
    })
    for (const destination of [connect, custom(), custom('https://other.example')])
      for (const variables of [operatorOnly, { ...operatorOnly, VALETKEY_URL: brokerUrl }]) {
        const error = await errorFor(variables, destination)
        expect(error.code).toBe('identity_unavailable')
        expect(error.message).toContain('is sent only to the origin of VALETKEY_URL')
        for (const name of ['id-token', 'access-token'])
          expect((await errorFor({ ...variables, VALETKEY_IDENTITY: name }, destination)).code).toBe(
            'identity_unavailable',
          )
      }
    expect(nameFor({ ...operatorOnly, VALETKEY_URL: `${brokerUrl}/x` }, custom(brokerUrl))).toBe('id-token')
    const atVercel = issuingPointAt('https://api.vercel.com/', 'config.url', environment({}))
    expect((await errorFor(operatorOnly, atVercel)).message).toContain('is sent only')
  })

  it('S14 of VALETKEY_ID_TOKEN is not found by the name that GitLab would give an audience of that word', () => {
    const destination: Destination = {
      id: 'https://sts.example',
      audience: 'valetkey',
      origin: 'https://sts.example',
      isVercelConnect: false,
      namedByUrl: false,
      reach: { id: 'x', audience: 'valetkey', issueToken: () => Promise.resolve(undefined) },
    }
    const read = environment({ GITLAB_CI: 'true', VALETKEY_ID_TOKEN: 'a', VALETKEY_URL: brokerUrl })
    expect(findIdentity(read, destination)).toMatchObject({ source: { name: 'gitlab' }, found: '' })
  })

  it('S14 is never taken from elsewhere when the option is refused', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch }, { ...everything, VALETKEY_URL: brokerUrl })
    const identityToken = jwt({ aud: 'sts.amazonaws.com', exp: inAnHourSeconds })
    await errorOf(getTokenIn(context, 'c', app, { identityToken }))
    expect(fetch.seen).toHaveLength(0)
  })
})
