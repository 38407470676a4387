import { randomBytes } from 'node:crypto'
import { type Broker, createBroker } from '@valetkey/broker'
import { createLocalAccessToken } from '@valetkey/broker/host'
import { connect, type Sql, startPostgres } from '../../interop/support/postgres.ts'
import { type LogLine, readAnswer, type TestBroker } from './broker.ts'
import type { Clock } from './clock.ts'

/** Brokers of one installation: one PostgreSQL, one key ring, one public URL, and nothing else in common. */
export interface Installation {
  readonly logs: LogLine[]
  /** A connection of the test's own. */
  readonly sql: Sql
  /** The installation through one of its two brokers. */
  readonly at: (broker: 0 | 1) => TestBroker
  /** Another connection, to hold locks with. Ended by whoever opens it. */
  connect(): Promise<Sql>
  /** One more broker. Closed by whoever starts it. */
  startAnother(): Promise<TestBroker>
  close(): Promise<void>
}

const url = 'https://broker.example'

/** Starts PostgreSQL and two brokers, which refresh nothing but what somebody asks for. */
export async function startInstallation(clock: Clock): Promise<Installation> {
  const keys = `conformance:${randomBytes(32).toString('base64')}`
  const logs: LogLine[] = []
  const postgres = await startPostgres({ fsync: 'off', full_page_writes: 'off' })

  async function start(): Promise<Broker> {
    const broker = createBroker({
      publicUrl: url,
      database: { url: postgres.url, maxConnections: 10 },
      keys,
      log: (level, message, fields = {}) => void logs.push({ level, message, fields }),
      now: clock.now,
      egressAllow: ['127.0.0.1'],
      revocationEveryMs: 2_147_483_647,
    })
    await broker.start()
    return broker
  }

  const first = await start()
  const second = await start()
  const { token: owner } = await createLocalAccessToken({
    environment: { VALETKEY_KEYS: keys, DATABASE_URL: postgres.url },
    dataDir: '',
    log: () => {},
    role: 'owner',
  })
  const sql = await connect(postgres.url)
  const shared = { owner, clock, logs }
  const both = [testBroker(first, shared), testBroker(second, shared)] as const
  return {
    logs,
    sql,
    at: (index) => both[index],
    connect: () => connect(postgres.url),
    startAnother: async () => testBroker(await start(), shared),
    async close() {
      await Promise.all(both.map((broker) => broker.close()))
      await sql.end()
      await postgres.remove()
    },
  }
}

function testBroker(broker: Broker, shared: Pick<TestBroker, 'owner' | 'clock' | 'logs'>): TestBroker {
  const call: TestBroker['call'] = async (method, path, { token, body } = {}) => {
    const headers = {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    return readAnswer(await broker.fetch(new Request(`${url}${path}`, init)))
  }
  return {
    ...shared,
    url,
    folder: '',
    fetch: broker.fetch,
    call,
    manage: async (method, path, body) => {
      const answer = await call(method, path, { token: shared.owner, body })
      if (answer.status > 299) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
      return answer.body
    },
    ask: (connector, identity, request = { subject: { type: 'app' } }) =>
      call('POST', `/v1/connect/token/${encodeURIComponent(connector)}`, { token: identity, body: request }),
    start: broker.start,
    stop: broker.close,
    close: broker.close,
  }
}
