import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, asObjects, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider, upstreamFault } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
let one: string
let two: string
const user = (id: string) => ({ subject: { type: 'user', id } })

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver], revocationEveryMs: 50 })
  one = await (await createProject(broker, issuer, 'one')).identity()
  two = await (await createProject(broker, issuer, 'two')).identity()
  await createVault(broker, 'shared')
  await attach(broker, 'vault/shared', 'one')
  await attach(broker, 'vault/shared', 'two')
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

function revoke(identity: string, body: unknown, connector = 'vault/shared'): Promise<Answer> {
  const path = `/v1/connect/connectors/${encodeURIComponent(connector)}/tokens`
  return broker.call('DELETE', path, { token: identity, body })
}

describe('S40 revoking reaches only what is one’s own', () => {
  it('S40 a workload ends the tokens of its own attachment and of the subject it names', async () => {
    const mine = await broker.ask('vault/shared', one, user('alice'))
    const other = await broker.ask('vault/shared', one, user('bob'))
    const theirs = await broker.ask('vault/shared', two, user('alice'))
    const answer = await revoke(one, user('alice'))
    expect(answer.body).toMatchObject({ tokensFound: 1, deleted: 1, providerRevoked: 1, providerFailed: 0 })
    expect(provider.revoked.at(-1)).toBe(mine.body.token)
    expect(provider.revoked).not.toContain(theirs.body.token)
    expect((await broker.ask('vault/shared', two, user('alice'))).body.tokenId).toBe(theirs.body.tokenId)
    expect((await broker.ask('vault/shared', one, user('bob'))).body.tokenId).toBe(other.body.tokenId)
    expect((await broker.ask('vault/shared', one, user('alice'))).body.tokenId).not.toBe(mine.body.tokenId)
  })

  it('S40 the answer is the same whether others hold such tokens or nobody does', async () => {
    await broker.ask('vault/shared', two, user('carol'))
    const held = await revoke(one, user('carol'))
    const unheld = await revoke(one, user('nobody'))
    expect(held.status).toBe(unheld.status)
    expect(held.body).toEqual(unheld.body)
  })

  it('S40 one environment does not reach another', async () => {
    await attach(broker, 'vault/shared', 'one', { environments: ['preview'] })
    await broker.manage('POST', '/v1/projects/one/trust', {
      environment: 'preview',
      issuer: issuer.url,
      claims: { sub: 'workload:preview' },
    })
    const preview = await issuer.identity(broker.url, { sub: 'workload:preview' })
    const production = await broker.ask('vault/shared', one, user('dora'))
    expect((await broker.ask('vault/shared', preview, user('dora'))).status).toBe(200)
    expect((await revoke(preview, user('dora'))).body).toMatchObject({ tokensFound: 1 })
    expect((await broker.ask('vault/shared', one, user('dora'))).body.tokenId).toBe(production.body.tokenId)
  })

  it('S40 near misses of a subject end nothing', async () => {
    const { body } = await broker.ask('vault/shared', one, {
      subject: { type: 'user', id: 'erin', issuer: 'https://a.example' },
    })
    for (const subject of [
      { type: 'user', id: 'erin' },
      { type: 'user', id: 'erin', issuer: 'https://b.example' },
      { type: 'user', id: 'ERIN', issuer: 'https://a.example' },
      { type: 'jwt-bearer', sub: 'erin' },
      { type: 'app' },
    ])
      expect((await revoke(one, { subject })).status).toBe(200)
    expect(provider.revoked).not.toContain(body.token)
  })

  it('S40 a rejected token id replaces the token of that very request and no other', async () => {
    const ivan = await broker.ask('vault/shared', one, user('ivan'))
    const judy = await broker.ask('vault/shared', one, user('judy'))
    const rejectedTokenId = String(judy.body.tokenId)
    // The id of another request's token: nothing is replaced, for either.
    const answer = await broker.ask('vault/shared', one, { ...user('ivan'), rejectedTokenId })
    expect(answer.body.tokenId).toBe(ivan.body.tokenId)
    expect((await broker.ask('vault/shared', one, user('judy'))).body.tokenId).toBe(rejectedTokenId)
    const replaced = await broker.ask('vault/shared', one, { ...user('judy'), rejectedTokenId })
    expect(replaced.body.tokenId).not.toBe(rejectedTokenId)
    // Nor is it replaced twice, when two callers report the same rejection.
    const again = await broker.ask('vault/shared', one, { ...user('judy'), rejectedTokenId })
    expect(again.body.tokenId).toBe(replaced.body.tokenId)
  })

  it('S40 a workload without the attachment, and an anonymous one, end nothing', async () => {
    await createVault(broker, 'private')
    await attach(broker, 'vault/private', 'two')
    const { body } = await broker.ask('vault/private', two, user('alice'))
    expect(await revoke(one, user('alice'), 'vault/private')).toMatchObject({
      status: 403,
      code: 'forbidden',
    })
    expect((await revoke('x.y.z', user('alice'), 'vault/private')).status).toBe(401)
    expect(provider.revoked).not.toContain(body.token)
  })

  it('S40 "all" needs an operator, and reaches every project', async () => {
    const mine = await broker.ask('vault/shared', one, user('fay'))
    const theirs = await broker.ask('vault/shared', two, user('fay'))
    expect((await revoke(one, {})).code).toBe('forbidden')
    expect(provider.revoked).not.toContain(mine.body.token)
    expect((await revoke(broker.owner, {})).status).toBe(200)
    expect(provider.revoked).toEqual(expect.arrayContaining([mine.body.token, theirs.body.token]))
  })
})

describe('S40 a token minted across a revocation', () => {
  let release: () => void = () => {}

  afterEach(() => {
    release()
    delete provider.next.hold
    delete provider.next.revokeFault
  })

  const changes: readonly (readonly [string, (uid: string) => Promise<unknown>])[] = [
    ['its own workload revokes the subject', (uid) => revoke(one, user('gale'), uid)],
    ['an operator revokes the subject', (uid) => revoke(broker.owner, user('gale'), uid)],
    ['an operator revokes everything', (uid) => revoke(broker.owner, {}, uid)],
    ['the connector is detached', (uid) => broker.manage('DELETE', pathOf(uid, '/projects/one'))],
    ['the ceiling is lowered', (uid) => attach(broker, uid, 'one', { scopes: ['read'] })],
    [
      'the connector gets a new secret',
      (uid) => broker.manage('PATCH', pathOf(uid), { data: { secret: 'new' } }),
    ],
    ['the connector is removed', (uid) => broker.manage('DELETE', pathOf(uid))],
    ['the connector is replaced by another of its name', replace],
    [
      'the connector is detached and attached again',
      async (uid) => {
        await broker.manage('DELETE', pathOf(uid, '/projects/one'))
        await attach(broker, uid, 'one')
      },
    ],
  ]

  it.each(changes)('S40 is revoked and refused when %s', async (_what, change) => {
    const uid = await heldConnector()
    // Two who wait for one token: both must be refused.
    const asking = [broker.ask(uid, one, user('gale')), broker.ask(uid, one, user('gale'))]
    await provider.asked(provider.mints.length + 1)
    await change(uid)
    release()
    const answers = await Promise.all(asking)
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 409, code: 'conflict' })
      expect(answer.body.token).toBeUndefined()
    }
    const minted = provider.minted.at(-1)
    expect(provider.revoked).toContain(minted)
    const again = await broker.ask(uid, one, user('gale'))
    expect(again.body.token).not.toBe(minted)
  })

  it('S40 is refused when the whole project goes', async () => {
    const { identity } = await createProject(broker, issuer, 'doomed')
    const uid = await heldConnector('doomed')
    const asking = broker.ask(uid, await identity(), user('gale'))
    await provider.asked(provider.mints.length + 1)
    await broker.manage('DELETE', '/v1/projects/doomed')
    release()
    const answer = await asking
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.body.token).toBeUndefined()
    expect(provider.revoked).toContain(provider.minted.at(-1))
  })

  it("S40 leaves another subject's and another project's minting alone", async () => {
    const uid = await heldConnector()
    await attach(broker, uid, 'two')
    const asking = [broker.ask(uid, one, user('hana')), broker.ask(uid, two, user('gale'))]
    await provider.asked(provider.mints.length + 2)
    await revoke(one, user('gale'), uid)
    release()
    for (const answer of await Promise.all(asking)) expect(answer.status).toBe(200)
  })

  it('S40 that the provider fails to end leaves a trace, reaches nobody and is tried again', async () => {
    const uid = await heldConnector()
    const asking = broker.ask(uid, one, user('gale'))
    await provider.asked(provider.mints.length + 1)
    await revoke(one, user('gale'), uid)
    provider.next.revokeFault = upstreamFault()
    release()
    expect((await asking).code).toBe('conflict')
    const { events } = await broker.manage('GET', '/v1/audit/events?kind=token_refused&limit=1')
    expect(asObjects(events)[0]).toMatchObject({ reason: 'revoked_meanwhile' })
    delete provider.next.revokeFault
    clock.advance(120_000)
    const attempts = () => provider.revoked.filter((token) => token === provider.minted.at(-1)).length
    await expect.poll(attempts, { timeout: 5_000 }).toBeGreaterThan(1)
  })

  it('S40 nobody joins a minting that began before the revocation', async () => {
    const uid = await heldConnector()
    const early = broker.ask(uid, one, user('gale'))
    await provider.asked(provider.mints.length + 1)
    await revoke(one, user('gale'), uid)
    const late = broker.ask(uid, one, user('gale'))
    await provider.asked(provider.mints.length + 1)
    release()
    expect((await early).code).toBe('conflict')
    const answer = await late
    expect(answer.status).toBe(200)
    expect(provider.revoked).not.toContain(answer.body.token)
  })

  it('S40 a token that could not be kept is ended at the provider too', async () => {
    await createVault(broker, 'unkept')
    await attach(broker, 'vault/unkept', 'one')
    // PostgreSQL's jsonb holds no U+0000, so that keeping this token fails after it was minted.
    const answer = await broker.ask('vault/unkept', one, { subject: { type: 'app' }, scopes: ['a\0b'] })
    expect(answer.body.token).toBeUndefined()
    const orphans = provider.minted.filter((token) => token.startsWith('a\0b'))
    expect(provider.revoked).toEqual(expect.arrayContaining(orphans))
    expect(answer.code).toBe('invalid_request')
  })

  let connectors = 0
  async function heldConnector(project = 'one'): Promise<string> {
    connectors += 1
    await createVault(broker, `held-${connectors}`)
    await attach(broker, `vault/held-${connectors}`, project)
    provider.next.hold = new Promise<void>((resolve) => {
      release = resolve
    })
    return `vault/held-${connectors}`
  }
})

function pathOf(uid: string, rest = ''): string {
  return `/v1/connect/connectors/${encodeURIComponent(uid)}${rest}`
}

async function replace(uid: string): Promise<void> {
  await broker.manage('DELETE', pathOf(uid))
  await createVault(broker, uid.replace('vault/', ''))
  await attach(broker, uid, 'one')
}
