import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NoValidTokenError, UserAuthorizationRequiredError } from '@valetkey/sdk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { clientOf, type WatchedClient } from './support/issuing-point-client.ts'
import { exchangeClient } from './support/issuing-point-foreign.ts'
import { failing, lies } from './support/issuing-point-gate.ts'
import { connector, type Point, pointNames, startWorld, type World } from './support/issuing-point-world.ts'
import { refusalOf } from './support/rejection.ts'

const app = { subject: { type: 'app' } } as const

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
afterEach(() => vi.unstubAllEnvs())

describe.each(pointNames)('%s, as an issuing point', (name) => {
  const isCustom = name === 'an object with one method'
  let point: Point
  let identity: string
  let client: WatchedClient
  beforeEach(async () => {
    point = world.points[name]
    identity = await point.identity('agent')
    client = clientOf(point, identity)
  })
  afterEach(() => point.gate.mend())

  it('gives a token once, and the cache gives it after that until a fresh one is asked for', async () => {
    const first = await client.getTokenResponse(connector, app)
    expect(first.token).toEqual(expect.stringMatching(/./))
    expect(first.expiresAt).toBeGreaterThan(Date.now() + 30_000)
    expect(await client.getTokenResponse(connector, app)).toBe(first)
    expect(client.sent).toHaveLength(1)
    expect(client.sent[0]?.credential).toBe(identity)
    expect(await client.getToken(connector, app, { forceRefresh: true })).toEqual(expect.stringMatching(/./))
    expect(client.sent).toHaveLength(2)
  })

  it('S33 answers two callers apart, also at the same moment', async () => {
    const other = await point.identity('other')
    await Promise.all([
      client.getToken(connector, app),
      client.getToken(connector, app),
      client.getToken(connector, app, { identityToken: other }),
    ])
    expect(client.sent.map(({ credential }) => credential).sort()).toEqual([identity, other].sort())
  })

  it('learns the scopes that are asked for', async () => {
    const { granted } = await client.getTokenResponse(connector, { ...app, scopes: ['read', 'write'] })
    expect(client.sent).toMatchObject([{ scopes: ['read', 'write'] }])
    if (granted !== undefined) expect([...granted.scopes].sort()).toEqual(['read', 'write'])
  })

  it('learns for which user, and says when that user has to consent', async () => {
    const ann = { subject: { type: 'user', id: 'ann' } } as const
    const error = await refusalOf(client.getToken(connector, ann))
    expect(error).toBeInstanceOf(UserAuthorizationRequiredError)
    expect(error).toMatchObject({
      code: 'user_authorization_required',
      retryable: false,
      connector,
      params: ann,
    })
    expect(client.sent).toMatchObject([{ user: 'ann' }])
  })

  it('refuses a connector that is not for this workload, once', async () => {
    const error = await refusalOf(client.getToken('oauth/elsewhere', app))
    expect(error).toMatchObject({ code: 'forbidden', retryable: false, connector: 'oauth/elsewhere' })
    expect(client.sent).toHaveLength(1)
  })

  it('is asked again after faults that pass, unless an object does the asking', async () => {
    point.gate.failNext(failing(429), failing(503))
    if (isCustom) {
      expect(await refusalOf(client.getToken(connector, app))).toMatchObject({ code: 'rate_limited' })
      expect(client.sent).toHaveLength(1)
    } else {
      expect(await client.getToken(connector, app)).toEqual(expect.stringMatching(/./))
      expect(client.sent).toHaveLength(3)
    }
  })

  it('has its faults reported as such, without waiting longer than the call may take', async () => {
    point.gate.failAlways(failing(429, { 'retry-after': '30' }))
    const limited = await refusalOf(client.getToken(connector, app, { timeoutMs: 5_000 }))
    expect(limited).toMatchObject({ code: 'rate_limited', retryable: true })
    point.gate.failAlways(failing(503, { 'retry-after': '30' }))
    const down = await refusalOf(client.getToken(connector, app, { timeoutMs: 5_000 }))
    expect(down).toMatchObject({ code: 'unavailable', retryable: true })
    expect(client.sent).toHaveLength(2)
  })

  it('S36 is not waited for when it hangs', async () => {
    point.gate.failAlways(() => {})
    const startedAtMs = performance.now()
    const error = await refusalOf(client.getToken(connector, app, { timeoutMs: 150 }))
    expect(error).toMatchObject({ code: 'timeout', retryable: true, connector })
    expect(performance.now() - startedAtMs).toBeLessThan(1_500)
  })

  it.each(lies)('S36 is not believed when it answers with %s', async (_what, lie) => {
    point.gate.failAlways(lie)
    const error = await refusalOf(client.getToken(connector, app))
    expect(error).toMatchObject({ code: 'invalid_response', retryable: false, connector })
    expect(`${error.stack}${String(error.cause)}`).not.toMatch(/secret-value|xxx/)
    expect(client.sent).toHaveLength(1)
  })

  it('S14 never sees an identity that is meant for another', async () => {
    const stray = clientOf(point, await world.strayIdentity())
    expect(await refusalOf(stray.getToken(connector, app))).toMatchObject({ code: 'identity_unavailable' })
    expect(stray.sent).toEqual([])
  })

  it('S14 sees VALETKEY_ credentials only at the origin that they are for', async () => {
    vi.stubEnv('VALETKEY_ID_TOKEN', identity)
    vi.stubEnv('VALETKEY_URL', 'https://elsewhere.example')
    const ambient = clientOf(point)
    // An address given to the client itself is as good as the variable.
    const isNamed = name === 'a broker'
    if (isNamed) await ambient.getToken(connector, app)
    else expect((await refusalOf(ambient.getToken(connector, app))).code).toBe('identity_unavailable')
    expect(ambient.sent).toHaveLength(isNamed ? 1 : 0)

    if (name === 'Vercel Connect') return
    vi.stubEnv('VALETKEY_URL', point.gate.url)
    await ambient.getToken(connector, app, { forceRefresh: true })
    expect(ambient.sent.at(-1)).toMatchObject({ credential: identity, url: { origin: point.gate.url } })
  })

  it('revokes, or says that it cannot', async () => {
    await client.getToken(connector, app)
    const revoking = client.revokeToken(connector, app)
    if (name === 'a broker' || name === 'Vercel Connect') await revoking
    else {
      const error = await refusalOf(revoking)
      expect(error).toMatchObject({ code: 'invalid_request', connector })
      expect(error.message).toContain('cannot revoke')
    }
    await client.getToken(connector, app)
    expect(client.sent.filter(({ url }) => !url.pathname.endsWith('/tokens'))).toHaveLength(2)
  })
})

describe('Vercel Connect', () => {
  it('says that the app of a connector holds no credential', async () => {
    const point = world.points['Vercel Connect']
    const client = clientOf(point, await point.identity('agent'))
    const error = await refusalOf(client.getToken('oauth/empty', app))
    expect(error).toBeInstanceOf(NoValidTokenError)
    expect(error).toMatchObject({ code: 'no_token', status: 422, retryable: false })
    // All scopes are spelled out there.
    expect(client.sent).toMatchObject([{ scopes: ['*'] }])
  })
})

describe('one unchanged app', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  /** Runs the program of `support/issuing-point-app.ts` with this configuration. */
  async function run(
    name: string,
    point: Point,
    settings: object,
  ): Promise<{ token: string; scopes: string[] }> {
    const file = join(folder, `${name}.json`)
    await writeFile(file, JSON.stringify({ connector, tokenExchange: settings }))
    const program = fileURLToPath(new URL('support/issuing-point-app.ts', import.meta.url))
    const env = { VALETKEY_URL: point.gate.url, VALETKEY_ID_TOKEN: await point.identity('agent') }
    const stdout = await new Promise<string>((resolve, reject) => {
      const args = ['--conditions=@valetkey/source', program, file]
      execFile(process.execPath, args, { env }, (error, out, err) =>
        error === null ? resolve(out) : reject(new Error(err)),
      )
    })
    return JSON.parse(stdout)
  }

  it('gets tokens of a broker and of a foreign server of RFC 8693 by configuration alone', async () => {
    const broker = world.points['a broker, by RFC 8693']
    const foreign = world.points['a foreign server of RFC 8693']
    const [ofBroker, ofForeign] = await Promise.all([
      run('broker', broker, { issuer: broker.gate.url }),
      run('foreign', foreign, { issuer: foreign.gate.url, ...exchangeClient }),
    ])
    expect(ofBroker.scopes).toEqual(['read'])
    expect(ofForeign.scopes).toEqual(['read'])
    // The broker got its token where the foreign server issues its own: as a client, and not for a workload.
    expect(await world.foreign.find(ofBroker.token)).toEqual({ client: 'broker-client', subject: undefined })
    expect(await world.foreign.find(ofForeign.token)).toEqual({ client: 'agent-client', subject: 'agent' })
  })
})
