import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { intrude, withDatabase } from './support/database.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

// Two visits of an intruder who can write to the database but has no key: the first takes copies of rows, the
// second puts ciphertext where it doesn't belong. Each connector below suffers one thing.
const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
const identities: Record<string, string> = {}
const issued: Record<string, Answer> = {}

const names = [
  'moved-from',
  'moved-to',
  'rolled-back',
  'relabelled-project',
  'copied-token',
  'relabelled-environment',
  'relabelled-user',
  'other-column',
  'truncated',
  'flipped',
  'untouched',
]
const ask = (name: string, project = 'one', request: unknown = { subject: { type: 'app' } }) =>
  broker.ask(`vault/${name}`, identities[project] ?? '', request)

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver] })
  for (const project of ['one', 'two']) {
    identities[project] = await (await createProject(broker, issuer, project)).identity()
  }
  await broker.manage('POST', '/v1/projects/one/trust', {
    environment: 'preview',
    issuer: issuer.url,
    claims: { sub: 'workload:preview' },
  })
  identities.preview = await issuer.identity(broker.url, { sub: 'workload:preview' })
  for (const name of names) {
    await createVault(broker, name, `secret-of-${name}`)
    await attach(broker, `vault/${name}`, 'one', { environments: ['production', 'preview'] })
    await attach(broker, `vault/${name}`, 'two')
  }
  for (const name of ['relabelled-project', 'copied-token', 'relabelled-environment', 'other-column'])
    issued[name] = await ask(name)
  issued.two = await ask('copied-token', 'two')
  issued.alice = await ask('relabelled-user', 'one', { subject: { type: 'user', id: 'alice' } })
  issued.bob = await ask('relabelled-user', 'one', { subject: { type: 'user', id: 'bob' } })

  const old = await intrude(broker, async ({ query }) => {
    const [row] = await query(`select secrets from connectors where uid = 'vault/rolled-back'`)
    return row?.secrets
  })
  await broker.manage('PATCH', '/v1/connect/connectors/vault%2Frolled-back', { data: { secret: 'newer' } })
  await intrude(broker, async ({ query }) => {
    const set = (name: string, secrets: unknown) =>
      query('update connectors set secrets = $2 where uid = $1', [`vault/${name}`, secrets])
    const sealed = async (name: string) => {
      const [row] = await query('select secrets from connectors where uid = $1', [`vault/${name}`])
      return String(row?.secrets)
    }
    await set('moved-to', await sealed('moved-from'))
    await set('rolled-back', old)
    await set('truncated', (await sealed('truncated')).slice(0, -6))
    const intact = await sealed('flipped')
    const at = intact.length - 20
    await set('flipped', `${intact.slice(0, at)}${intact[at] === 'A' ? 'B' : 'A'}${intact.slice(at + 1)}`)
    const [foreignColumn] = await query('select token from issued_tokens where id = $1', [
      idOf('other-column'),
    ])
    await set('other-column', foreignColumn?.token)

    const attachmentOf = async (uid: string, environment: string, project: string) => {
      const [row] = await query(
        `select a.id, a.project_id from attachments a join connectors c on c.id = a.connector_id
         join projects p on p.id = a.project_id where c.uid = $1 and a.environment = $2 and p.name = $3`,
        [`vault/${uid}`, environment, project],
      )
      return row
    }
    const other = await attachmentOf('relabelled-project', 'production', 'two')
    await query('update issued_tokens set attachment_id = $2, project_id = $3 where id = $1', [
      idOf('relabelled-project'),
      other?.id,
      other?.project_id,
    ])
    const preview = await attachmentOf('relabelled-environment', 'preview', 'one')
    await query(`update issued_tokens set attachment_id = $2, environment = 'preview' where id = $1`, [
      idOf('relabelled-environment'),
      preview?.id,
    ])
    await query(
      'update issued_tokens set token = (select token from issued_tokens where id = $2) where id = $1',
      [idOf('two'), idOf('copied-token')],
    )
    // Bob's row goes, and Alice's is relabelled as his: same connector, project and environment.
    const [bob] = await query('select subject_key, request_key from issued_tokens where id = $1', [
      idOf('bob'),
    ])
    await query('delete from issued_tokens where id = $1', [idOf('bob')])
    await query('update issued_tokens set subject_key = $2, request_key = $3 where id = $1', [
      idOf('alice'),
      bob?.subject_key,
      bob?.request_key,
    ])
  })
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

function idOf(name: string): string {
  return String(issued[name]?.body.tokenId)
}

function expectNothing(answer: Answer): void {
  expect(answer).toMatchObject({ status: 503, code: 'unavailable' })
  expect(answer.body.token).toBeUndefined()
  expect(answer.text).not.toMatch(/v1\.conformance|seal|decrypt|cipher/i)
}

describe('S25 ciphertext at rest', () => {
  it('S25 what nobody touched still opens', async () => {
    expect((await ask('untouched')).status).toBe(200)
    expect((await ask('moved-from')).status).toBe(200)
  })

  it.each([
    ['moved to another connector', 'moved-to'],
    ['rolled back to an older version', 'rolled-back'],
    ['of another table put in its place', 'other-column'],
    ['cut', 'truncated'],
    ['changed by a bit', 'flipped'],
  ])('S25 a secret %s does not open', async (_what, name) => {
    const before = provider.mints.length
    expectNothing(await ask(name, 'two'))
    expect(provider.mints).toHaveLength(before)
  })

  it('S25 a token relabelled to another project does not open', async () => {
    expectNothing(await ask('relabelled-project', 'two'))
  })

  it('S25 a token relabelled to another environment does not open', async () => {
    expectNothing(await ask('relabelled-environment', 'preview'))
  })

  it("S25 a token's ciphertext in another row does not open", async () => {
    expectNothing(await ask('copied-token', 'two'))
  })

  it('S25 a token relabelled to another user does not open', async () => {
    const answer = await ask('relabelled-user', 'one', { subject: { type: 'user', id: 'bob' } })
    expect(answer.body.token).not.toBe(issued.alice?.body.token)
    expectNothing(answer)
  })

  it('S25 the log says that something did not open, and nothing of what', () => {
    const lines = broker.logs.filter((line) => line.level === 'error')
    expect(lines.length).toBeGreaterThan(0)
    expect(JSON.stringify(lines)).not.toMatch(/secret-of-|v1\.conformance/)
  })

  it('S25 nothing in the files of the database is readable', async () => {
    const { body } = await broker.call('POST', '/v1/access-tokens', {
      token: broker.owner,
      body: { role: 'auditor' },
    })
    const plain = [...names.map((name) => `secret-of-${name}`), 'newer', String(body.token), broker.owner]
    plain.push(...provider.minted, ...Object.values(identities))
    const text = await intrude(broker, async ({ query }) => {
      const tables = await query(
        `select table_name from information_schema.tables where table_schema = 'public'`,
      )
      const dumps = tables.map(({ table_name: table }) => query(`select t::text as row from "${table}" t`))
      return JSON.stringify(await Promise.all(dumps))
    })
    expect(text).toContain('vault/untouched')
    expect(plain.filter((secret) => text.includes(secret))).toEqual([])
    expect(text).not.toMatch(/\\"d\\": ?\\"/)
  })

  it('S25 a signing key relabelled to another purpose stops the start', async () => {
    await broker.stop()
    await withDatabase(broker.folder, async ({ query }) => {
      const rename = (from: string, to: string) =>
        query('update signing_keys set purpose = $2 where purpose = $1', [from, to])
      await rename('audit-checkpoint', 'spare')
      await rename('development-identity', 'audit-checkpoint')
      await rename('spare', 'development-identity')
      const keys = await query(
        `select purpose from signing_keys where purpose in ('audit-checkpoint', 'development-identity')`,
      )
      expect(keys).toHaveLength(2)
    })
    await expect(broker.start()).rejects.toThrow(/did not open/)
  })
})
