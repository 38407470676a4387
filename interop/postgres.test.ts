import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@valetkey/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endAll, type Running, startRunning, valetkey } from './support/command.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { startLoad } from './support/load.ts'
import { attach, createConnector, createOperator, detach, type Operator } from './support/operator.ts'
import { type Postgres, startPostgres } from './support/postgres.ts'
import { refusalOf } from './support/rejection.ts'
import { until } from './support/until.ts'

const app = { subject: { type: 'app' } } as const
const connector = 'api-key/weather'

describe('two servers on one PostgreSQL', () => {
  let postgres: Postgres
  let issuer: TestIssuer
  let folder: string
  let variables: Record<string, string>
  let ownerToken: string
  let workloadToken: string
  let a: Running
  let b: Running
  let onA: Operator
  let onB: Operator
  let stoppedInMs = Number.POSITIVE_INFINITY

  async function startServer(): Promise<Running> {
    return startRunning(folder, ['serve'], { variables })
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
    issuer = await startIssuer()
    postgres = await startPostgres()
    variables = {
      DATABASE_URL: postgres.url,
      VALETKEY_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      VALETKEY_EGRESS_ALLOW: '127.0.0.1',
      PORT: '0',
    }
    // Both at once on an empty database: one migrates, the other waits for it.
    ;[a, b] = await Promise.all([startServer(), startServer()])
    const created = await valetkey(folder, ['token', 'create', '--local', '--role', 'owner'], { variables })
    ownerToken = created.stdout.trim()
    onA = createOperator(a.url, ownerToken)
    onB = createOperator(b.url, ownerToken)
    await onA.call('POST', '/v1/projects', { name: 'agent' })
    await createConnector(onA, 'api-key', 'weather', { value: 'weather-key' })
    await attach(onA, connector, 'agent', 'production')
    const workload = { project: 'agent', environment: 'production' }
    workloadToken = (await onA.call<{ token: string }>('POST', '/v1/access-tokens', workload)).token
  })
  afterAll(async () => {
    await endAll()
    await postgres.remove()
    await issuer.close()
    await rm(folder, { recursive: true, force: true })
  })

  const ask = (url: string, identity: string, timeoutMs = 10_000) =>
    createClient({ url, identity, timeoutMs }).getToken(connector, app)

  it('see at once what the other one changed: a rule, an attachment, and that it is gone', async () => {
    const identity = await issuer.identity({ sub: 'workload:agent' }, 'agent-workloads')
    await detach(onA, connector, 'agent')
    expect((await refusalOf(ask(b.url, identity))).code).toBe('identity_invalid')
    await onA.call('POST', '/v1/projects/agent/trust', {
      environment: 'production',
      issuer: issuer.url,
      audience: 'agent-workloads',
      claims: { sub: 'workload:agent' },
    })
    expect((await refusalOf(ask(b.url, identity))).code).toBe('forbidden')
    await attach(onA, connector, 'agent', 'production')
    expect(await ask(b.url, identity)).toBe('weather-key')
    await detach(onA, connector, 'agent')
    expect((await refusalOf(ask(b.url, identity))).code).toBe('forbidden')

    const path = '/v1/projects/agent/trust'
    const { rules } = await onB.call<{ rules: { id: string }[] }>('GET', path)
    await onB.call('DELETE', `${path}/${rules[0]?.id}`)
    expect((await refusalOf(ask(a.url, identity))).code).toBe('identity_invalid')
    await attach(onB, connector, 'agent', 'production')
  })

  it('lose no event that a caller was told of when one is killed under load', async () => {
    const load = startLoad(a.url, connector, workloadToken)
    const other = startLoad(b.url, connector, workloadToken, 2)
    await until('the load runs', () => load.acknowledged.length > 50 && other.acknowledged.length > 5)
    // What every minute brings, now: A signs and logs the heads it knows.
    await onA.call('POST', '/v1/audit/checkpoint')
    await until('there is more after the checkpoint', () => load.acknowledged.length > 120)
    await a.end('SIGKILL')
    const survived = other.acknowledged.length
    await until('the other one goes on', () => other.acknowledged.length > survived + 50)
    await Promise.all([load.stop(), other.stop()])
    expect(other.refused).toEqual([])

    const trail = await onB.exportTrail()
    const recorded = new Set(
      trail.flatMap(({ requestId, kind }) => (kind === 'token_issued' ? [requestId] : [])),
    )
    const lost = [...load.acknowledged, ...other.acknowledged].filter((id) => !recorded.has(id))
    expect(lost).toEqual([])

    const log = join(folder, 'a.log')
    await writeFile(log, a.lines.join('\n'))
    expect(a.lines.some((line) => line.includes('audit checkpoint'))).toBe(true)
    const verified = await valetkey(folder, ['audit', 'verify', '--checkpoint', log, '--json'], {
      variables: { VALETKEY_URL: b.url, VALETKEY_ACCESS_TOKEN: ownerToken },
    })
    expect(JSON.parse(verified.stdout)).toMatchObject({ valid: true })
    expect(verified.code).toBe(0)

    a = await startServer()
    onA = createOperator(a.url, ownerToken)
    expect(await ask(a.url, workloadToken)).toBe('weather-key')
  })

  it('say that they are unavailable while PostgreSQL is stopped, and recover by themselves', async () => {
    const load = startLoad(a.url, connector, workloadToken)
    await until('the load runs', () => load.acknowledged.length > 30)
    await postgres.stop()
    const answers = load.refused.length
    await until('requests are refused', () => load.refused.length > answers + 8, 40_000)

    const refused = await createOperator(a.url, workloadToken).ask(
      'POST',
      `/v1/connect/token/${encodeURIComponent(connector)}`,
      app,
    )
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } })
    expect(refused.body.error.message).toContain('database')
    expect(refused.body.error.message.length).toBeLessThan(120)
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    const ready = await fetch(`${b.url}/readyz`)
    expect(ready.status).toBe(503)
    expect(await ready.json()).toMatchObject({
      status: 'unready',
      reason: expect.stringContaining('database'),
    })
    expect((await fetch(`${b.url}/healthz`)).status).toBe(200)

    await postgres.start()
    const before = load.acknowledged.length
    await until('tokens are issued again', () => load.acknowledged.length > before + 30, 40_000)
    await load.stop()
    expect(new Set(load.refused)).toEqual(new Set(['503 unavailable']))
    expect((await fetch(`${b.url}/readyz`)).status).toBe(200)
    expect(await ask(b.url, workloadToken)).toBe('weather-key')

    const trail = await onB.exportTrail()
    const recorded = new Set(
      trail.flatMap(({ requestId, kind }) => (kind === 'token_issued' ? [requestId] : [])),
    )
    expect(load.acknowledged.filter((id) => !recorded.has(id))).toEqual([])
    expect(await onB.call('POST', '/v1/audit/verify', {})).toMatchObject({ valid: true })
  })

  it('stop in order on SIGTERM: what is in flight is answered, and the last checkpoint is logged', async () => {
    const load = startLoad(a.url, connector, workloadToken, 2)
    await until('the load runs', () => load.acknowledged.length > 20)
    const started = performance.now()
    expect(await a.end('SIGTERM')).toBe(0)
    stoppedInMs = performance.now() - started
    await load.stop()
    expect(load.refused.filter((answer) => answer !== 'gone' && answer !== '503 unavailable')).toEqual([])
    expect(a.lines.at(-1)).toContain('audit checkpoint')
  })

  // server.close() leaves busy keep-alive connections open, and clients go on using them until the grace ends.
  it('stop within five seconds though clients keep their connections busy', () => {
    expect(stoppedInMs).toBeLessThan(5_000)
  })

  it('do not start with another key ring, and say so in one sentence', async () => {
    const other = { ...variables, VALETKEY_KEYS: `k1:${randomBytes(32).toString('base64')}` }
    const { code, stderr } = await valetkey(folder, ['serve'], { variables: other })
    expect(code).toBe(1)
    expect(stderr).toMatch(/VALETKEY_KEYS/)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).not.toContain(other.VALETKEY_KEYS)
  })

  it('do not start where nothing answers, and say so within ten seconds', async () => {
    const nowhere = { ...variables, DATABASE_URL: 'postgres://someone:hunter2@127.0.0.1:9/valetkey' }
    const started = performance.now()
    const { code, stdout, stderr } = await valetkey(folder, ['serve', '--json'], { variables: nowhere })
    expect(code).toBe(1)
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(JSON.parse(stdout)).toMatchObject({ error: { message: expect.stringContaining('127.0.0.1:9') } })
    expect(stdout + stderr).not.toContain('hunter2')
  })
})
