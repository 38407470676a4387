import { createHash } from 'node:crypto'
import { verifyExport } from '@valetkey/broker/audit'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asObject, asObjects, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { intrude } from './support/database.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

type Line = Record<string, unknown>

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
let identity: string
/** Signed before the export was made, and kept elsewhere. */
let checkpoint: string
let exported: readonly Line[]

async function readExport(): Promise<Line[]> {
  const answer = await broker.call('GET', '/v1/audit/export', { token: broker.owner })
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
  return answer.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

async function* linesOf(lines: readonly Line[]): AsyncGenerator<string> {
  for (const line of lines) yield JSON.stringify(line)
}

const verify = (lines: readonly Line[], checkpoints: readonly string[] = []) =>
  verifyExport(linesOf(lines), { checkpoints })

/** As `docs` of the export say it by hand: SHA-256 over the previous hash, a line feed and the body. */
const hashOf = (previousHash: unknown, body: unknown) =>
  createHash('sha256').update(`${previousHash}\n${body}`).digest('hex')

/** An export whose events were changed and then hashed anew, as somebody would who knows how. */
function rehashed(lines: readonly Line[]): Line[] {
  const previous = new Map<unknown, string>()
  return lines.map((line) => {
    if (line.type !== 'event') return line
    const previousHash = previous.get(line.chain) ?? '0'.repeat(64)
    const hash = hashOf(previousHash, line.body)
    previous.set(line.chain, hash)
    return { ...line, previousHash, hash }
  })
}

/** The last events of the chain that was opened last, which nothing but a checkpoint binds; it comes first. */
/** Longer than what follows the checkpoint: that it was made, and that the trail was exported. */
const newestTail = () => exported.filter((line) => line.chain === exported[1]?.chain).slice(-6)

const indexOf = (kind: string) => exported.findIndex((line) => line.kind === kind)
const edited = (index: number, change: (line: Line) => Line) =>
  exported.map((line, at) => (at === index ? change(line) : line))

function withBody(line: Line, change: (body: Line) => Line): Line {
  const body = change(JSON.parse(String(line.body)))
  // Canonical order is by name; changing a value keeps it.
  return { ...line, body: JSON.stringify(body) }
}

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver] })
  identity = await (await createProject(broker, issuer, 'one')).identity()
  await createVault(broker, 'audited')
  await attach(broker, 'vault/audited', 'one')
  for (const id of ['alice', 'bob'])
    await broker.ask('vault/audited', identity, { subject: { type: 'user', id } })
  await broker.ask('vault/none', identity)
  checkpoint = String((await broker.manage('POST', '/v1/audit/checkpoint')).checkpoint)
  exported = await readExport()
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

describe('S29 an export, verified offline', () => {
  it('S29 holds, and its tail is proven by a checkpoint kept elsewhere only', async () => {
    const events = exported.filter((line) => line.type === 'event').length
    expect(await verify(exported)).toMatchObject({ valid: true, events, tail: 'unproven' })
    expect(await verify(exported, [checkpoint])).toMatchObject({ valid: true, events, tail: 'proven' })
  })

  it('S29 can be recomputed by hand', () => {
    for (const line of exported.filter((each) => each.type === 'event'))
      expect(line.hash).toBe(hashOf(line.previousHash, line.body))
  })

  it('S29 has an intent and an outcome for each token, and a refusal', () => {
    const kinds = exported.map((line) => line.kind)
    expect(kinds.filter((kind) => kind === 'token_intended')).toHaveLength(2)
    expect(kinds.filter((kind) => kind === 'token_issued')).toHaveLength(2)
    expect(kinds.filter((kind) => kind === 'token_refused')).toHaveLength(1)
  })

  const tampering: readonly (readonly [string, () => readonly Line[]])[] = [
    [
      'an edited body',
      () => edited(indexOf('token_issued'), (line) => withBody(line, (body) => ({ ...body, at: 0 }))),
    ],
    ['an edited column', () => edited(indexOf('token_refused'), (line) => ({ ...line, code: null }))],
    ['an edited kind', () => edited(indexOf('token_refused'), (line) => ({ ...line, kind: 'token_issued' }))],
    ['an edited time', () => edited(indexOf('token_issued'), (line) => ({ ...line, at: 0 }))],
    ['an edited hash', () => edited(indexOf('token_issued'), (line) => ({ ...line, hash: 'f'.repeat(64) }))],
    [
      'a body spelt differently',
      () => edited(indexOf('token_issued'), (line) => ({ ...line, body: `${line.body} ` })),
    ],
    [
      'a body that names a member twice',
      () =>
        rehashed(
          edited(indexOf('token_issued'), (line) => ({
            ...line,
            body: String(line.body).replace('{', '{"kind":"x",'),
          })),
        ),
    ],
    ['a deleted event', () => exported.toSpliced(indexOf('token_issued'), 1)],
    ['a deleted first event', () => exported.toSpliced(1, 1)],
    [
      'two swapped events',
      () =>
        exported.toSpliced(
          indexOf('token_intended'),
          2,
          ...exported.slice(indexOf('token_intended')).slice(0, 2).reverse(),
        ),
    ],
    [
      'a doubled event',
      () => exported.toSpliced(indexOf('token_issued'), 0, exported[indexOf('token_issued')] ?? {}),
    ],
    [
      'another chain in its place',
      () => exported.map((line) => (line.type === 'event' ? { ...line, chain: '0'.repeat(32) } : line)),
    ],
    ['a missing end', () => exported.slice(0, -1)],
    ['a cut tail', () => exported.filter((line) => !newestTail().includes(line))],
    ['a cut tail of an older chain', () => exported.toSpliced(-3, 2)],
    ['a deleted event, hashed anew', () => rehashed(exported.toSpliced(indexOf('token_issued'), 1))],
    [
      'an edited event, hashed anew',
      () =>
        rehashed(
          edited(indexOf('token_issued'), (line) =>
            withBody(line, (body) => ({ ...body, tokenId: 'stk_other' })),
          ),
        ),
    ],
    ['nothing but a header and an end', () => [exported[0] ?? {}, exported.at(-1) ?? {}]],
  ]
  it.each(tampering)('S29 finds %s, without a checkpoint and with one', async (_what, tampered) => {
    expect(await verify(tampered())).toMatchObject({ valid: false, tail: 'unproven' })
    expect(await verify(tampered(), [checkpoint])).toMatchObject({ valid: false, tail: 'unproven' })
  })

  it.each([
    ['no header', () => exported.slice(1)],
    ['nothing at all', () => []],
    ['something after its end', () => [...exported, exported[1] ?? {}]],
    ['a line of another kind', () => exported.toSpliced(2, 0, { type: 'note' })],
  ])('S29 a file with %s is no export', async (_what, broken) => {
    await expect(verify(broken())).rejects.toThrow(/export/i)
  })

  it('S29 a trail cut and signed anew by somebody else passes as unproven at most', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), kid: 'forged', alg: 'ES256', use: 'sig' }
    const events = exported.slice(1, -1).filter((line) => !newestTail().includes(line))
    const last = asObject(events.filter((line) => line.chain === events[0]?.chain).at(-1))
    const jws = await new SignJWT({ heads: [{ chain: last.chain, seq: last.seq, hash: last.hash }] })
      .setProtectedHeader({ alg: 'ES256', typ: 'vk-checkpoint+jwt', kid: 'forged' })
      .setIssuer(broker.url)
      .setIssuedAt()
      .sign(privateKey)
    const forged = [{ ...exported[0], keys: { keys: [jwk] } }, ...events, { type: 'checkpoint', jws }]
    expect(await verify(forged)).toMatchObject({ valid: true, tail: 'unproven' })
    // Neither the true checkpoint nor one of his own makes more of it.
    expect(await verify(forged, [checkpoint])).toMatchObject({ valid: false, tail: 'unproven' })
    const both = [{ ...exported[0], keys: { keys: [jwk, ...asObjects(asObject(exported[0]?.keys).keys)] } }]
    expect(await verify([...both, ...forged.slice(1)], [checkpoint])).toMatchObject({ valid: false })
  })

  it.each(['', 'x', 'a.b.c', `${'x'.repeat(100)}`])(
    'S29 %j as a checkpoint makes the result invalid',
    async (jws) => {
      expect(await verify(exported, [jws])).toMatchObject({ valid: false, tail: 'unproven' })
    },
  )
})

describe('S29 the trail in the database', () => {
  const check = (checkpoints?: readonly string[]) =>
    broker.manage('POST', '/v1/audit/verify', { checkpoints })

  it('S29 an anonymous flood grows the trail by one event at most', async () => {
    const listed = async () => {
      const { events } = await broker.manage('GET', '/v1/audit/events?limit=500')
      return asObjects(events)
    }
    const before = new Set((await listed()).map((event) => `${event.chain}/${event.seq}`))
    const forged = await issuer.identity('https://other.example', { sub: 'workload:one' })
    for (let round = 0; round < 50; round += 1) {
      const requests = [
        broker.ask('vault/audited', forged),
        broker.ask('vault/audited', 'junk'),
        broker.ask('vault/audited', 'vk_junk'),
        broker.ask('vault/audited', `${round}.e30.c2ln`),
        broker.call('GET', '/v1/projects'),
        broker.call('POST', '/v1/projects', { body: { name: `flood-${round}` }, token: forged }),
        broker.call('GET', `/v1/connect/connectors/flood-${round}`, { token: 'junk' }),
        broker.call('DELETE', '/v1/connect/connectors/vault%2Faudited/tokens', { token: forged, body: {} }),
        broker.call('GET', '/v1/audit/export', { token: 'vk_junk' }),
        broker.call('POST', '/v1/connect/token/x', { rawBody: 'not json' }),
      ]
      for (const answer of await Promise.all(requests)) expect(answer.status).toBe(401)
    }
    await broker.stop()
    await broker.start()
    const grown = (await listed()).filter((event) => !before.has(`${event.chain}/${event.seq}`))
    const byFlood = grown.filter((event) => event.kind !== 'chain_opened')
    expect(byFlood.map((event) => event.kind)).toEqual(['anonymous_refusals'])
    const counts = Object.values(asObject(asObject(byFlood[0]?.details).counts)).map(Number)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(500)
  })

  it('S29 an oversized or malformed request of nobody is no event either', async () => {
    const { events } = await check()
    const large = { token: 'junk', rawBody: JSON.stringify({ a: 'x'.repeat(70_000) }) }
    expect((await broker.call('POST', '/v1/projects', large)).status).toBe(413)
    expect((await broker.call('GET', '/%ff')).status).toBeGreaterThanOrEqual(400)
    // Its own two events: the intent and the outcome of the check before.
    expect((await check()).events).toBeLessThanOrEqual(Number(events) + 2)
  })

  it('S29 a tail cut out of the database is found against a checkpoint, and unproven without', async () => {
    const signed = String((await broker.manage('POST', '/v1/audit/checkpoint')).checkpoint)
    expect(await check([signed])).toMatchObject({ valid: true, tail: 'proven' })
    await intrude(broker, async ({ query }) => {
      await query(
        `delete from audit_events where position in (select position from audit_events order by position desc limit 6)`,
      )
    })
    expect(await check()).toMatchObject({ valid: true, tail: 'unproven' })
    expect(await check([signed])).toMatchObject({ valid: false, tail: 'unproven' })
  })

  it('S29 an edit in the database is found, by the broker and in its export', async () => {
    await intrude(broker, async ({ query }) => {
      await query(
        `update audit_events set body = replace(body, '"alice"', '"mallo"') where kind = 'token_issued'`,
      )
    })
    expect(await check()).toMatchObject({ valid: false })
    expect(await verify(await readExport())).toMatchObject({ valid: false })
  })
})
