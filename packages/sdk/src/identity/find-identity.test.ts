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
import { identitySources } from './sources.ts'

const broker = issuingPointAt(brokerUrl, 'config.url', environment({}))
const connect = vercelConnect(environment({}))
const app = { subject: { type: 'app' } } as const

const everything: Record<string, string> = {
  VALETKEY_ID_TOKEN: 'id-token',
  VALETKEY_ID_TOKEN_FILE: '/file',
  VALETKEY_ID_TOKEN_COMMAND: 'command',
  ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example/?x=1',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
  VERCEL_OIDC_TOKEN: 'vercel-token',
  VALETKEY_ACCESS_TOKEN: 'access-token',
}

const nameFor = (variables: Record<string, string>, destination: Destination = broker): string =>
  findIdentity(environment(variables), destination).source.name

const errorFor = (variables: Record<string, string>, destination: Destination = broker) => {
  const { source, found } = findIdentity(environment(variables), destination)
  const context = {
    destination,
    fetch: countingFetch(),
    signal: new AbortController().signal,
    remainingMs: () => 1000,
    now: Date.now,
  }
  return errorOf(Promise.resolve(source.obtain(found, context)))
}

describe('the identity of the environment', () => {
  it('is that of the first source that matches, in a fixed order', () => {
    const variables = { ...everything }
    const order: string[] = []
    for (const names of [
      ['VALETKEY_ID_TOKEN'],
      ['VALETKEY_ID_TOKEN_FILE'],
      ['VALETKEY_ID_TOKEN_COMMAND'],
      ['ACTIONS_ID_TOKEN_REQUEST_URL', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN'],
      ['VERCEL_OIDC_TOKEN'],
      ['VALETKEY_ACCESS_TOKEN'],
    ]) {
      order.push(nameFor(variables))
      for (const name of names) delete variables[name]
    }
    expect(order).toEqual([
      'id-token',
      'id-token-file',
      'id-token-command',
      'github-actions',
      'vercel',
      'access-token',
    ])
    expect(identitySources.map((source) => source.name)).toEqual(order)
  })

  it('is that of the source which VALETKEY_IDENTITY names', async () => {
    for (const { name } of identitySources)
      expect(nameFor({ ...everything, VALETKEY_IDENTITY: name })).toBe(name)
    expect((await errorFor({ ...everything, VALETKEY_IDENTITY: 'secret-value' })).message).toBe(
      'VALETKEY_IDENTITY names no identity source. There are: id-token, id-token-file, id-token-command, github-actions, vercel, access-token',
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

  it('S14 is never taken from elsewhere when the option is refused', async () => {
    const fetch = countingFetch()
    const context = testContext({ fetch }, { ...everything, VALETKEY_URL: brokerUrl })
    const identityToken = jwt({ aud: 'sts.amazonaws.com', exp: inAnHourSeconds })
    await errorOf(getTokenIn(context, 'c', app, { identityToken }))
    expect(fetch.seen).toHaveLength(0)
  })
})
