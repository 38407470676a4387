import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJsonLog, createLocalAccessToken } from '@valetkey/broker/host'
import { type Bench, type BenchRow, median } from '../result.ts'
import { type Child, startChild } from './child.ts'
import { load } from './load.ts'
import { startPostgres } from './postgres.ts'
import { register, startIssuer, type WorkloadIssuer } from './workload.ts'

const rounds = 7
const requestsARound = 1_000
const connections = 32

/** A broker on some database, registered and warm. */
async function startBroker(
  issuer: WorkloadIssuer,
  environment: Record<string, string>,
  dataDir: string,
): Promise<Child> {
  const all = { VALETKEY_EGRESS_ALLOW: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, ...environment }
  const owner = await createLocalAccessToken({
    environment: all,
    dataDir,
    log: createJsonLog('stderr', 'warn'),
    role: 'owner',
  })
  const broker = await startChild('./broker-server.ts', all)
  await register(broker.url, owner.token, issuer.url)
  return broker
}

async function burst(url: string, credential: string, count: number): Promise<number> {
  const { perSecond } = await load({
    url,
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: '{"subject":{"type":"app"}}',
    count,
    connections,
  })
  return perSecond
}

async function run(): Promise<BenchRow[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
  const issuer = await startIssuer()
  const postgres = await startPostgres()
  const children: Child[] = []
  try {
    const keys = `bench:${randomBytes(32).toString('base64')}`
    const broker = await startBroker(issuer, { DATABASE_URL: postgres.url, VALETKEY_KEYS: keys }, dataDir)
    children.push(broker)
    const embedded = await startBroker(issuer, {}, dataDir)
    children.push(embedded)
    const audience = broker.url
    const baseline = await startChild('./baseline-server.ts', {
      DATABASE_URL: postgres.url,
      PUBLIC_JWK: JSON.stringify(issuer.publicJwk),
      AUDIENCE: audience,
    })
    children.push(baseline)
    const [identity, embeddedIdentity] = [
      await issuer.identity(audience),
      await issuer.identity(embedded.url),
    ]
    const tokenUrl = `${broker.url}/v1/connect/token/api-key%2Fbench`
    const embeddedUrl = `${embedded.url}/v1/connect/token/api-key%2Fbench`
    await burst(tokenUrl, identity, requestsARound)
    await burst(baseline.url, identity, requestsARound)
    await burst(embeddedUrl, embeddedIdentity, 300)

    const ratios: number[] = []
    const figures: number[] = []
    const onPglite: number[] = []
    // In turn within each round, so that what slows the machine slows both.
    for (let round = 0; round < rounds; round++) {
      const ours = await burst(tokenUrl, identity, requestsARound)
      const theirs = await burst(baseline.url, identity, requestsARound)
      ratios.push(ours / theirs)
      figures.push(ours)
      onPglite.push(await burst(embeddedUrl, embeddedIdentity, 300))
    }
    const ratio = median(ratios)
    return [
      {
        workload: 'broker: warm token request on PostgreSQL ÷ one ES256 verify and one committed insert',
        figure: `${ratio.toFixed(2)} (${Math.round(median(figures))} requests/s)`,
        bar: '≥ 0.5',
        met: ratio >= 0.5,
      },
      {
        workload: 'broker: warm token requests on the embedded database',
        figure: `${Math.round(median(onPglite))} requests/s`,
        bar: '',
        met: true,
      },
      {
        workload: 'memory of the embedded broker after the load',
        figure: `${await residentMegabytes(embedded.pid)} MB`,
        bar: '',
        met: true,
      },
    ]
  } finally {
    for (const child of children) await child.stop()
    issuer.close()
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}

export const warmRequest: Bench = { name: 'broker', run }
