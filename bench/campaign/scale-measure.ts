import { Agent, request } from 'node:http'
import { createRandom } from '../../interop/support/seeded.ts'
import { median, quantile } from '../result.ts'
import type { Populated, ScaleWorld } from './scale-world.ts'

const requests = 1_000
const warmUp = 200
const counted = 500

/** What was measured with so many grants. */
export interface SizeResult {
  readonly size: number
  readonly requests: number
  readonly largeMs: number
  readonly largeP95Ms: number
  /** The median of the broker whose grants stay few, asked in turn with the other. */
  readonly smallMs: number
  readonly tableMegabytes: number
  readonly statements: {
    readonly requests: number
    readonly reads: number
    readonly commits: number
    readonly others: number
  }
}

/** Asks both brokers for tokens of users chosen at random. */
export async function measure(world: ScaleWorld, size: number, seed: number): Promise<SizeResult> {
  const random = createRandom(seed + size)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async (at: Populated) => {
    const user = at.probes[Math.floor(random() * at.probes.length)] ?? ''
    const started = performance.now()
    await askOnce(agent, at, user)
    return performance.now() - started
  }
  try {
    for (let turn = 0; turn < warmUp; turn += 1) {
      await ask(world.small)
      await ask(world.large)
    }
    const [small, large]: [number[], number[]] = [[], []]
    for (let turn = 0; turn < requests; turn += 1) {
      small.push(await ask(world.small))
      large.push(await ask(world.large))
    }
    await world.large.sql.query('select pg_stat_statements_reset()')
    for (let turn = 0; turn < counted; turn += 1) await ask(world.large)
    return {
      size,
      requests,
      largeMs: median(large),
      largeP95Ms: quantile(large, 0.95),
      smallMs: median(small),
      tableMegabytes: await tableMegabytes(world.large),
      statements: await countStatements(world.large),
    }
  } finally {
    agent.destroy()
  }
}

async function tableMegabytes({ sql }: Populated): Promise<number> {
  const [row] = await sql.query<{ bytes: string }>(`select pg_total_relation_size('grants') as bytes`)
  return Math.round(Number(row?.bytes) / 1_000_000)
}

async function countStatements({ sql }: Populated): Promise<SizeResult['statements']> {
  const rows = await sql.query<{ query: string; calls: string }>(
    `select s.query, s.calls from pg_stat_statements s join pg_database d on d.oid = s.dbid
     where d.datname = current_database() and s.query not like '%pg_stat_statements%'`,
  )
  const sum = (belongs: (query: string) => boolean) =>
    rows.reduce((total, { query, calls }) => total + (belongs(query) ? Number(calls) : 0), 0)
  const isRead = (query: string) => query.includes('from "revisions" left join')
  const isCommit = (query: string) => /insert into audit_events/.test(query)
  return {
    requests: counted,
    reads: sum(isRead),
    commits: sum(isCommit),
    others: sum((query) => !isRead(query) && !isCommit(query)),
  }
}

function askOnce(agent: Agent, at: Populated, user: string): Promise<void> {
  const body = JSON.stringify({ subject: { type: 'user', id: user } })
  return new Promise((resolve, reject) => {
    const call = request(
      at.tokenUrl,
      {
        method: 'POST',
        agent,
        headers: {
          authorization: `Bearer ${at.identity}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (answer) => {
        answer.resume()
        answer.on('error', reject)
        answer.on('end', () =>
          answer.statusCode === 200 ? resolve() : reject(new Error(`answered ${answer.statusCode}`)),
        )
      },
    )
    call.on('error', reject)
    call.end(body)
  })
}
