import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Client, type ConnectOptions, createClient, isConnectError } from '@valetkey/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

// Each project's ceiling is its own name, and a token's text begins with what it was minted for: whose token a
// caller got can be read off it.
const callers = ['one', 'two'] as const
type Caller = (typeof callers)[number]

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
const identities: Record<Caller, string> = { one: '', two: '' }
let fault: (request: IncomingMessage, response: ServerResponse) => boolean = () => false

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({
    clock,
    drivers: [provider.driver],
    listen: true,
    intercept: (request, response) => fault(request, response),
  })
  await createVault(broker, 'busy')
  for (const caller of callers) {
    identities[caller] = await (await createProject(broker, issuer, caller)).identity()
    await attach(broker, 'vault/busy', caller, { scopes: [caller] })
  }
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

beforeEach(() => {
  fault = () => false
  provider.next.lifeMs = 3_600_000
})

/** A generator of its own, so that a failing run can be repeated (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const app = { subject: { type: 'app' } } as const

function expectOwn(caller: Caller, token: string): void {
  expect(token.split('~')[0]).toBe(caller)
}

/** One call of one caller, with whatever may go wrong on the way; returns whether a token came back. */
async function call(
  client: Client,
  caller: Caller,
  random: () => number,
  options: ConnectOptions,
): Promise<boolean> {
  const user = `user-${Math.floor(random() * 4)}`
  const params = random() < 0.5 ? app : ({ subject: { type: 'user', id: user } } as const)
  const aborting = new AbortController()
  const timer = random() < 0.3 ? setTimeout(() => aborting.abort(), random() * 30) : undefined
  const all = { ...options, signal: aborting.signal, forceRefresh: random() < 0.2 }
  try {
    if (random() < 0.1) client.deleteTokenCacheEntry('vault/busy', params, options)
    if (random() < 0.05) await client.revokeToken('vault/busy', params, options)
    const response = await client.getTokenResponse('vault/busy', params, all)
    expectOwn(caller, response.token)
    expect(response.granted?.scopes).toEqual([caller])
    return true
  } catch (error) {
    if (!isConnectError(error)) throw error
    // Aborted, timed out, revoked meanwhile, or the fault lasted: an error is fine, another's token is not.
    expect(['aborted', 'timeout', 'conflict', 'unavailable', 'rate_limited']).toContain(error.code)
    return false
  } finally {
    clearTimeout(timer)
  }
}

describe('S33 two callers in one process', () => {
  it.each([1, 2, 3])(
    'S33 never see each other’s tokens over 200 calls with aborts, retries and revocations (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      fault = (_request, response) => {
        const dice = random()
        if (dice < 0.1) response.writeHead(503, { 'retry-after': '0' }).end()
        else if (dice < 0.2) response.destroy()
        else if (dice < 0.25) response.writeHead(429, { 'retry-after': '0' }).end('{}')
        else return false
        return true
      }
      // Tokens that age and expire while the calls run.
      provider.next.lifeMs = 20_000
      const client = createClient({ url: broker.url, now: clock.now, cache: { maxEntries: 6 } })
      const current = new AsyncLocalStorage<Caller>()
      const byContext = () => identities[current.getStore() ?? 'one']
      const calls: Promise<boolean>[] = []
      for (let index = 0; index < 200; index += 1) {
        const caller: Caller = random() < 0.5 ? 'one' : 'two'
        const identityToken = random() < 0.5 ? identities[caller] : byContext
        calls.push(current.run(caller, () => call(client, caller, random, { identityToken })))
        if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 10))
        clock.advance(Math.floor(random() * 500))
      }
      const tokens = (await Promise.all(calls)).filter((came) => came).length
      expect(tokens).toBeGreaterThan(60)
    },
  )

  it('S33 are told apart by every way an identity can be given', async () => {
    const client = createClient({ url: broker.url, now: clock.now, identity: identities.one })
    expectOwn('one', await client.getToken('vault/busy', app))
    expectOwn('two', await client.getToken('vault/busy', app, { identityToken: identities.two }))
    expectOwn('two', await client.getToken('vault/busy', app, { identityToken: async () => identities.two }))
    expectOwn('two', await client.getToken('vault/busy', app, { vercelToken: identities.two }))
    expectOwn('one', await client.getToken('vault/busy', app))
    const turns = [identities.one, identities.two, identities.one, identities.two]
    const turning = createClient({ url: broker.url, now: clock.now, identity: () => turns.shift() ?? '' })
    for (const caller of [...callers, ...callers])
      expectOwn(caller, await turning.getToken('vault/busy', app))
  })

  it('S33 are told apart by what they present, not by what it says', async () => {
    // Same claims, other text: another credential is another caller, whatever an unverified payload says.
    const claims = issuer.claims(broker.url, { sub: 'workload:one' })
    const [first, second] = [await issuer.sign(claims), await issuer.sign(claims)]
    const forged = `${first.split('.').slice(0, 2).join('.')}.${identities.two.split('.')[2]}`
    const client = createClient({ url: broker.url, now: clock.now })
    const tokenOf = (identityToken: string) => client.getToken('vault/busy', app, { identityToken })
    expectOwn('one', await tokenOf(first))
    expectOwn('one', await tokenOf(second))
    await expect(tokenOf(forged)).rejects.toMatchObject({ code: 'identity_invalid' })
  })

  it('S33 one caller’s abort leaves the other’s exchange alone', async () => {
    const client = createClient({ url: broker.url, now: clock.now })
    let release = () => {}
    provider.next.hold = new Promise<void>((resolve) => {
      release = resolve
    })
    const params = { subject: { type: 'user', id: 'slow' } } as const
    const leaving = new AbortController()
    const asked = provider.mints.length
    const first = client.getToken('vault/busy', params, {
      identityToken: identities.one,
      signal: leaving.signal,
    })
    const same = client.getToken('vault/busy', params, { identityToken: identities.one })
    const other = client.getToken('vault/busy', params, { identityToken: identities.two })
    await provider.asked(asked + 2)
    leaving.abort()
    await expect(first).rejects.toMatchObject({ code: 'aborted' })
    release()
    delete provider.next.hold
    expectOwn('one', await same)
    expectOwn('two', await other)
    expect(provider.mints).toHaveLength(asked + 2)
  })

  it('S33 one caller’s revocation leaves the other’s cache alone', async () => {
    let exchanges = 0
    const client = createClient({
      url: broker.url,
      now: clock.now,
      onEvent: (event) => {
        if (event.type === 'exchange_started') exchanges += 1
      },
    })
    const tokenOf = (caller: Caller) =>
      client.getToken('vault/busy', app, { identityToken: identities[caller] })
    const before = await tokenOf('two')
    await tokenOf('one')
    await client.revokeToken('vault/busy', app, { identityToken: identities.one })
    client.deleteTokenCacheEntry('vault/busy', app, { identityToken: identities.one })
    expect(await tokenOf('two')).toBe(before)
    expect(exchanges).toBe(2)
    expectOwn('one', await tokenOf('one'))
    expect(exchanges).toBe(3)
  })

  it('S33 what one caller does to an answer, another never sees', async () => {
    const client = createClient({ url: broker.url, now: clock.now, identity: identities.one })
    const answer = await client.getTokenResponse('vault/busy', app)
    expect(() => Object.assign(answer, { token: 'mine now' })).toThrow(TypeError)
    expect(() => Object.assign(answer.granted ?? {}, { scopes: ['admin'] })).toThrow(TypeError)
    expect(() => (answer.origins as string[]).push('https://evil.example')).toThrow(TypeError)
    expect(await client.getTokenResponse('vault/busy', app)).toEqual(answer)
  })
})
