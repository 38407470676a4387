import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createLocalAccessToken } from '@valetkey/broker/host'
import { attach, createConnector, createOperator, type Operator } from './operator.ts'
import { connect, type Sql, startPostgres } from './postgres.ts'
import { type RotatingProvider, startRotatingProvider } from './rotating-oidc.ts'
import { oauthClient } from './rotating-oidc-consent.ts'

/** A broker in a process of its own. */
export interface Replica {
  readonly url: string
  /** What it has logged: warnings and worse. */
  readonly lines: readonly string[]
  /** Suspends the process, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** Resolves once the process has ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** Several brokers on one PostgreSQL, with a connector to a provider that rotates refresh tokens. */
export interface Replicas {
  readonly sql: Sql
  readonly provider: RotatingProvider
  readonly connector: string
  /** The credential of the one workload. */
  readonly workload: string
  start(): Promise<Replica>
  ownerAt(replica: Replica): Operator
  /** Has each of these users consent at the provider, and imports that; `expired`: the access token has ended. */
  grant(replica: Replica, users: readonly string[], state: 'fresh' | 'expired'): Promise<void>
  close(): Promise<void>
}

/** What a token request came to. */
export interface TokenAnswer {
  /** `gone`: the connection broke. */
  readonly status: number | 'gone'
  readonly code?: string
  readonly token?: string
  readonly tokenId?: string
}

const project = 'agent'
const environment = 'production'
const connector = 'oauth/rotating'

/** Starts database, provider and `count` brokers. */
export async function startReplicas(
  count: number,
): Promise<Replicas & { readonly first: readonly Replica[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-replicas-'))
  const closing = [() => rm(folder, { recursive: true, force: true })]
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step()
  }
  try {
    const postgres = await startPostgres({ track_commit_timestamp: 'on', max_connections: '200' })
    closing.push(() => postgres.remove())
    const provider = await startRotatingProvider()
    closing.push(() => provider.close())
    const variables = {
      DATABASE_URL: postgres.url,
      VALETKEY_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      VALETKEY_EGRESS_ALLOW: '127.0.0.1',
      PORT: '0',
      DATA_DIR: folder,
    }
    const start = async () => {
      const replica = await startReplica(variables)
      closing.push(() => replica.end('SIGKILL'))
      return replica
    }
    const first = await Promise.all(Array.from({ length: count }, start))
    const [replica] = first
    if (replica === undefined) throw new Error('There must be a replica')
    const options = { environment: variables, dataDir: folder, log: () => {} }
    const { token } = await createLocalAccessToken({ ...options, role: 'owner' })
    const ownerAt = (at: Replica) => createOperator(at.url, token)
    const workload = await register(ownerAt(replica), provider)
    const sql = await connect(postgres.url)
    closing.push(() => sql.end())
    const grant: Replicas['grant'] = async (at, users, state) => {
      const tokens = await Promise.all(
        users.map(async (user) => ({
          ...(await provider.consent(user)),
          expiresAt: Date.now() + (state === 'fresh' ? 3_000_000 : -1_000),
          subject: { type: 'user', id: user },
          environment,
          scopes: ['openid'],
        })),
      )
      const path = `/v1/connect/token/${encodeURIComponent(connector)}/import`
      const answer = await ownerAt(at).call<{ imported: number }>('POST', path, { project, tokens })
      if (answer.imported !== users.length) throw new Error('Not every grant was imported')
    }
    return { first, sql, provider, connector, workload, start, ownerAt, grant, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A project with the connector attached; returns the credential of its workload. */
async function register(owner: Operator, provider: RotatingProvider): Promise<string> {
  await owner.call('POST', '/v1/projects', { name: project })
  await createConnector(owner, 'oauth', 'rotating', { serverUrl: provider.issuer, ...oauthClient })
  await attach(owner, connector, project, environment, { subjects: ['user'] })
  const { token } = await owner.call<{ token: string }>('POST', '/v1/access-tokens', { project, environment })
  return token
}

/** One token request for a user; never throws. */
export async function askToken(
  world: Pick<Replicas, 'connector' | 'workload'>,
  replica: Pick<Replica, 'url'>,
  user: string,
  more: object = {},
): Promise<TokenAnswer> {
  try {
    const answer = await fetch(`${replica.url}/v1/connect/token/${encodeURIComponent(world.connector)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${world.workload}`, 'content-type': 'application/json' },
      body: JSON.stringify({ subject: { type: 'user', id: user }, ...more }),
    })
    const body = (await answer.json()) as { token?: string; tokenId?: string; error?: { code: string } }
    const { token, tokenId, error } = body
    return {
      status: answer.status,
      ...(token === undefined ? {} : { token }),
      ...(tokenId === undefined ? {} : { tokenId }),
      ...(error === undefined ? {} : { code: error.code }),
    }
  } catch {
    return { status: 'gone' }
  }
}

/** Asks again after what the SDK retries: a lost connection, 429, 502, 503, 504; at most for `patienceMs`. */
export async function askPatiently(
  world: Pick<Replicas, 'connector' | 'workload'>,
  replica: Pick<Replica, 'url'>,
  user: string,
  patienceMs = 30_000,
): Promise<TokenAnswer> {
  const end = performance.now() + patienceMs
  for (let pause = 100; ; pause = Math.min(pause * 2, 2_000)) {
    const answer = await askToken(world, replica, user)
    const passing = answer.status === 'gone' || [429, 502, 503, 504].includes(answer.status)
    if (!passing || performance.now() + pause > end) return answer
    await wait(pause)
  }
}

/** Starts a broker with these variables, and waits until it is ready. */
export async function startReplica(variables: Readonly<Record<string, string>>): Promise<Replica> {
  const script = fileURLToPath(new URL('replica-process.ts', import.meta.url))
  // From source, like everything else in these tests: what is proved is what is written.
  const flags = ['--conditions=@valetkey/source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, script], {
    env: { PATH: process.env.PATH, NO_COLOR: '1', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [word, address] = line.split(' ')
      if (word === 'ready' && address !== undefined) resolve(address)
    })
    child.once('exit', (code) =>
      reject(new Error(`A replica ended with ${code}: ${lines.slice(-5).join('\n')}`)),
    )
  })
  return {
    url,
    lines,
    signal: (signal) => void child.kill(signal),
    end: (signal) => end(child, signal),
  }
}

function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill(signal)
  })
}
