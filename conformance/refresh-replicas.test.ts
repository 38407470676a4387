import { randomBytes } from 'node:crypto'
import { UserAuthorizationRequiredError } from '@valetkey/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import type { Answer } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import { type ConsentApp, createConsentApp, returnedCode, until, user } from './support/consent.ts'
import { type Installation, startInstallation } from './support/installation.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'

const clock = createClock()
let installation: Installation
let issuer: TestIssuer
let provider: AuthorizationServer
let app: ConsentApp

beforeAll(async () => {
  ;[installation, issuer, provider] = await Promise.all([
    startInstallation(clock),
    startIssuer(clock),
    startAuthorizationServer(clock),
  ])
  app = await createConsentApp(installation.at(0), issuer, provider, { name: 'app' })
})
afterAll(async () => {
  await installation.close()
  await provider.close()
  await issuer.close()
})
beforeEach(() => {
  for (const name of Object.keys(provider.next)) Reflect.deleteProperty(provider.next, name)
})

/** Asks one of the brokers for a user's token. */
async function ask(at: 0 | 1, id: string, more: object = {}): Promise<Answer> {
  const request = { subject: user(id), ...more }
  return installation.at(at).ask(app.connector, await app.identity(), request)
}

/** A user whose grant's access token is over. */
async function expired(id: string): Promise<void> {
  await app.connect(id, createBrowser(installation.at(0)))
  clock.advance(3_600_000)
}

interface GrantState {
  readonly state: string
  readonly credential_version: number
  readonly lease_holder: string | null
}
async function grantOf(id: string): Promise<GrantState> {
  const [row] = await installation.sql.query<GrantState>(
    "select state, credential_version, lease_holder from grants where user_id = $1 and state <> 'ended'",
    [id],
  )
  if (row === undefined) throw new Error('There is no such grant')
  return row
}

/** Refresh tokens of a person that came in. */
function refreshesOf(id: string): readonly string[] {
  return provider.refreshes.filter((token) => token.startsWith(`refresh-of-${id}-`))
}

function gate(): { readonly held: Promise<void>; readonly open: () => void } {
  let open: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    open = resolve
  })
  return { held, open: () => open() }
}

describe('S18 one refresh for everybody', () => {
  it('S18 fifty who ask two brokers at once cause one call upstream and get one token', async () => {
    await expired('fifty')
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => ask(index % 2 === 0 ? 0 : 1, 'fifty')),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
    expect(new Set(answers.map(({ body }) => body.token)).size).toBe(1)
    expect(new Set(answers.map(({ body }) => body.tokenId)).size).toBe(1)
    expect(refreshesOf('fifty')).toHaveLength(1)
    expect(provider.ownerOf(answers[0]?.body.token)).toBe('fifty')
    expect((await grantOf('fifty')).lease_holder).toBeNull()
  })

  it('S18 fifty who report one token as rejected cause one call, and a hundred no more', async () => {
    await app.connect('rejected', createBrowser(installation.at(0)))
    const rejectedTokenId = (await ask(0, 'rejected')).body.tokenId
    for (let round = 0; round < 2; round += 1) {
      const both = Array.from({ length: 50 }, (_, index) =>
        ask(index % 2 === 0 ? 0 : 1, 'rejected', { rejectedTokenId }),
      )
      const answers = await Promise.all(both)
      expect(new Set(answers.map(({ body }) => body.token)).size).toBe(1)
    }
    expect(refreshesOf('rejected')).toHaveLength(1)
  })

  it('S18 a holder that lost its lease does not store over its successor', async () => {
    await expired('stale')
    // A time of grace: both calls get tokens, of which only the successor's may count.
    provider.next.grace = true
    const { held, open } = gate()
    provider.next.holdAfter = held
    const slow = ask(0, 'stale')
    await until('the first broker asked', () => refreshesOf('stale').length === 1)
    await installation.sql.query("update grants set lease_until = 0 where user_id = 'stale'")
    const fast = await ask(1, 'stale')
    expect(fast.status).toBe(200)
    const stored = await grantOf('stale')
    open()
    const late = await slow
    expect(await grantOf('stale')).toEqual(stored)
    expect(late.body.token).toBe(fast.body.token)
    for (const at of [0, 1] as const) expect((await ask(at, 'stale')).body.token).toBe(fast.body.token)
    expect(refreshesOf('stale')).toHaveLength(2)
  })

  it('S18 a holder that lost its lease does not unlock what its successor still holds', async () => {
    await expired('unlocked')
    provider.next.grace = true
    const [first, second] = [gate(), gate()]
    provider.next.holdAfter = first.held
    const slow = ask(0, 'unlocked')
    await until('the first broker asked', () => refreshesOf('unlocked').length === 1)
    await installation.sql.query("update grants set lease_until = 0 where user_id = 'unlocked'")
    provider.next.holdAfter = second.held
    const successor = ask(1, 'unlocked')
    await until('the second broker asked', () => refreshesOf('unlocked').length === 2)
    const { lease_holder: holder } = await grantOf('unlocked')
    expect(holder).not.toBeNull()
    first.open()
    expect((await slow).body.token).toBeUndefined()
    expect(await grantOf('unlocked')).toMatchObject({ lease_holder: holder, credential_version: 1 })
    second.open()
    const answer = await successor
    expect(answer.status).toBe(200)
    expect((await ask(0, 'unlocked')).body.token).toBe(answer.body.token)
    expect(await grantOf('unlocked')).toMatchObject({ lease_holder: null, credential_version: 3 })
  })

  it('S18 no connection of the pool waits for the provider', async () => {
    await expired('pool')
    const { held, open } = gate()
    provider.next.holdBefore = held
    const waiting = Array.from({ length: 40 }, (_, index) => ask(index % 2 === 0 ? 0 : 1, 'pool'))
    await until('the provider was asked', () => refreshesOf('pool').length === 1)
    const idle = await installation.sql.query<{ state: string }>(
      "select state from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'",
    )
    expect(idle).toEqual([])
    const locks = await installation.sql.query<{ n: string }>(
      "select count(*) as n from pg_locks where locktype = 'advisory'",
    )
    expect(Number(locks[0]?.n)).toBe(0)
    open()
    for (const answer of await Promise.all(waiting)) expect(answer.status).toBe(200)
  })
})

describe('S19 a rotated refresh token is kept whatever happens next', () => {
  const broken: readonly (readonly [string, NonNullable<AuthorizationServer['next']['refresh']>])[] = [
    [
      'breaks off after the tokens',
      (response, answer) => {
        const text = JSON.stringify(answer)
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length + 10 })
        response.write(text, () => setTimeout(() => response.destroy(), 50))
      },
    ],
    [
      'goes on after its end',
      (response, answer) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)}]`),
    ],
    [
      'names a type of token that nobody knows',
      (response, answer) => sendAnswer(response, { ...answer, token_type: 'mac' }),
    ],
    [
      'has no access token',
      (response, answer) => sendAnswer(response, { ...answer, access_token: undefined }),
    ],
    [
      'has an access token that is no text',
      (response, answer) => sendAnswer(response, { ...answer, access_token: 7 }),
    ],
    [
      'has scopes that are no text',
      (response, answer) => sendAnswer(response, { ...answer, scope: { a: 1 } }),
    ],
    ['is said to be a page', (response, answer) => sendAnswer(response, answer, 'text/html')],
  ]

  it.each(broken)('S19 where its answer %s, the next call goes on from it', async (_what, answer) => {
    const id = `broken-${randomBytes(4).toString('hex')}`
    await expired(id)
    provider.next.refresh = answer
    const failed = await ask(0, id)
    const rotated = provider.given.filter((token) => token.startsWith(`refresh-of-${id}-`)).at(-1)
    const again = await ask(1, id)
    expect(again.status).toBe(200)
    // A spent token never came back, which at most providers would have ended the grant.
    expect(new Set(refreshesOf(id)).size).toBe(refreshesOf(id).length)
    if (failed.status !== 200) {
      expect(failed).toMatchObject({ status: 502, code: 'provider_error' })
      expect(refreshesOf(id).at(-1)).toBe(rotated)
    }
    expect(await grantOf(id)).toMatchObject({ state: 'active', lease_holder: null })
  })

  it('S19 a fault before the provider has rotated leaves the old one usable', async () => {
    await expired('before')
    provider.next.refuseRefresh = 'temporarily_unavailable'
    expect(await ask(0, 'before')).toMatchObject({ status: 502, code: 'provider_error' })
    delete provider.next.refuseRefresh
    expect((await ask(1, 'before')).status).toBe(200)
    const [first, second] = refreshesOf('before')
    expect(second).toBe(first)
  })

  it('S19 it is durable before anybody is given the access token that came with it', async () => {
    await expired('durable')
    const { held, open } = gate()
    provider.next.holdAfter = held
    const asking = ask(0, 'durable')
    await until('the provider was asked', () => refreshesOf('durable').length === 1)
    // Nobody can write the grant for a while: whatever comes next has to wait for that.
    const blocker = await installation.connect()
    await blocker.query('begin')
    await blocker.query("select 1 from grants where user_id = 'durable' for update")
    open()
    const early = await Promise.race([
      asking,
      new Promise<'nothing'>((done) => setTimeout(done, 400, 'nothing')),
    ])
    expect(early).toBe('nothing')
    await blocker.query('rollback')
    await blocker.end()
    const answer = await asking
    expect(answer.status).toBe(200)
    expect((await grantOf('durable')).credential_version).toBeGreaterThan(1)
    expect((await ask(1, 'durable')).body.token).toBe(answer.body.token)
  })

  it('S19 a broker that is closed in the middle of a refresh stores what it brings', async () => {
    await expired('closing')
    const third = await installation.startAnother()
    const { held, open } = gate()
    provider.next.holdAfter = held
    const asking = third.ask(app.connector, await app.identity(), { subject: user('closing') })
    await until('the provider was asked', () => refreshesOf('closing').length === 1)
    open()
    await asking
    await third.close()
    expect((await ask(0, 'closing')).status).toBe(200)
    expect(new Set(refreshesOf('closing')).size).toBe(refreshesOf('closing').length)
  })
})

describe('S20 a grant that the provider has ended', () => {
  it('S20 is asked about once, by whichever broker, and then waits for a new consent', async () => {
    await expired('lost')
    provider.next.refuseRefresh = 'invalid_grant'
    const first = await Promise.all([0, 1, 0, 1].map((at) => ask(at as 0 | 1, 'lost')))
    for (const answer of first)
      expect(answer).toMatchObject({ status: 422, code: 'user_authorization_required' })
    expect(refreshesOf('lost')).toHaveLength(1)
    expect((await grantOf('lost')).state).toBe('consent_needed')
    // Even if the provider would take it now: the grant is over, and nobody tries.
    delete provider.next.refuseRefresh
    for (let index = 0; index < 20; index += 1) {
      clock.advance(60_000)
      const answer = await ask(index % 2 === 0 ? 0 : 1, 'lost', { validityBufferMs: index })
      expect(answer).toMatchObject({ status: 422, code: 'user_authorization_required' })
    }
    expect(refreshesOf('lost')).toHaveLength(1)
    expect(installation.logs.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('S20 the SDK’s error says what to do, and doing it helps at once and everywhere', async () => {
    await expired('again')
    provider.next.refuseRefresh = 'invalid_grant'
    const error = await app.client
      .getToken(app.connector, { subject: user('again') })
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(UserAuthorizationRequiredError)
    if (!(error instanceof UserAuthorizationRequiredError)) throw error
    expect(error.retryable).toBe(false)
    delete provider.next.refuseRefresh
    const { params } = error
    if (params === undefined) throw new Error('The error does not say what to ask consent for')
    const began = await app.client.startAuthorization(app.connector, params, {
      callbackUrl: 'https://app.example/',
    })
    const browser = createBrowser(installation.at(0))
    const back = await browser.open(provider.agree(await browser.leave(began.url), 'again'))
    const { request, verifier } = began
    await app.client.completeAuthorization({
      request,
      verifier,
      code: returnedCode(back.to),
      subject: user('again'),
    })
    for (const at of [0, 1] as const) expect((await ask(at, 'again')).status).toBe(200)
  })

  it('S20 a new consent that came while the provider was asked wins over its no', async () => {
    await expired('meanwhile')
    const { held, open } = gate()
    provider.next.holdBefore = held
    const asking = ask(0, 'meanwhile')
    await until('the provider was asked', () => refreshesOf('meanwhile').length === 1)
    await app.connect('meanwhile', createBrowser(installation.at(0)))
    provider.next.refuseRefresh = 'invalid_grant'
    open()
    const answer = await asking
    expect(answer.status).toBe(200)
    expect((await grantOf('meanwhile')).state).toBe('active')
    delete provider.next.refuseRefresh
    expect((await ask(1, 'meanwhile')).body.token).toBe(answer.body.token)
    expect(refreshesOf('meanwhile')).toHaveLength(1)
  })

  it.each(['invalid_client', 'invalid_scope', 'unauthorized_client'])(
    'S20 a no that says nothing about the grant (%s) does not end it',
    async (code) => {
      const id = `kept-${code}`
      await expired(id)
      provider.next.refuseRefresh = code
      expect(await ask(0, id)).toMatchObject({ status: 422, code: 'provider_refused' })
      delete provider.next.refuseRefresh
      expect((await grantOf(id)).state).toBe('active')
      expect((await ask(1, id)).status).toBe(200)
    },
  )
})

function sendAnswer(
  response: Parameters<NonNullable<AuthorizationServer['next']['refresh']>>[0],
  answer: object,
  type = 'application/json',
): void {
  response.writeHead(200, { 'content-type': type }).end(JSON.stringify(answer))
}
