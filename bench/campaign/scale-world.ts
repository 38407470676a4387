import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalAccessToken } from '@valetkey/broker/host'
import { startIssuer, type TestIssuer } from '../../interop/support/issuer.ts'
import { attach, createConnector, createOperator, type Operator } from '../../interop/support/operator.ts'
import { connect, type Sql, startPostgres } from '../../interop/support/postgres.ts'
import { type Replica, startReplica } from '../../interop/support/replicas.ts'

/** A broker whose database holds grants. */
export interface Populated {
  readonly tokenUrl: string
  readonly identity: string
  readonly sql: Sql
  /** Users whose grants can be opened, in no order of their rows. */
  readonly probes: readonly string[]
  growTo(grants: number): Promise<void>
}

/** Two of them on one PostgreSQL. */
export interface ScaleWorld {
  readonly small: Populated
  readonly large: Populated
  serverVersion(): Promise<string>
  close(): Promise<void>
}

const project = 'agent'
const environment = 'production'
const connector = 'oauth/scale'
const day = 86_400_000
/** Rows of one statement. */
const chunk = 50_000
/** As many as a body of 64 KiB holds. */
const tokensAnImport = 50

/** Starts them with `grants` grants each. */
export async function openScaleWorld(grants: number, seed: number): Promise<ScaleWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-scale-'))
  const postgres = await startPostgres({ shared_preload_libraries: 'pg_stat_statements' })
  const issuer = await startIssuer({ ttlSeconds: 43_200 })
  const replicas: Replica[] = []
  const connections: Sql[] = []

  async function populate(name: string): Promise<Populated> {
    const admin = await connect(postgres.url)
    await admin.query(`create database ${name}`)
    await admin.end()
    const url = postgres.url.replace(/\/postgres$/, `/${name}`)
    const variables = {
      DATABASE_URL: url,
      VALETKEY_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      VALETKEY_EGRESS_ALLOW: '127.0.0.1',
      PORT: '0',
      DATA_DIR: folder,
    }
    const replica = await startReplica(variables)
    replicas.push(replica)
    const { token } = await createLocalAccessToken({
      environment: variables,
      dataDir: folder,
      log: () => {},
      role: 'owner',
    })
    const sql = await connect(url)
    connections.push(sql)
    await sql.query('create extension pg_stat_statements')
    const owner = createOperator(replica.url, token)
    await register(owner, issuer)
    const populated = fill(owner, sql, `${seed}-${name}`)
    await populated.growTo(grants)
    return {
      ...populated,
      sql,
      tokenUrl: `${replica.url}/v1/connect/token/${encodeURIComponent(connector)}`,
      identity: await issuer.identity({ sub: 'workload:agent' }, replica.url),
    }
  }

  async function close(): Promise<void> {
    await Promise.all(replicas.map((replica) => replica.end('SIGKILL')))
    await Promise.all(connections.map((sql) => sql.end()))
    await issuer.close()
    await postgres.remove()
    await rm(folder, { recursive: true, force: true })
  }

  try {
    const [small, large] = [await populate('small'), await populate('large')]
    return {
      small,
      large,
      async serverVersion() {
        const [row] = await small.sql.query<{ server_version: string }>('show server_version')
        return row?.server_version.split(' ')[0] ?? ''
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function register(owner: Operator, issuer: TestIssuer): Promise<void> {
  await owner.call('POST', '/v1/projects', { name: project })
  await owner.call('POST', `/v1/projects/${project}/trust`, {
    environment,
    issuer: issuer.url,
    claims: { sub: 'workload:agent' },
  })
  // Nothing is ever sent there.
  const serverConfig = {
    authorizationEndpoint: 'https://provider.example/authorize',
    tokenEndpoint: 'https://provider.example/token',
  }
  await createConnector(owner, 'oauth', 'scale', { serverConfig, clientId: 'c', clientSecret: 's' })
  await attach(owner, connector, project, environment, { subjects: ['user'] })
}

function fill(owner: Operator, sql: Sql, label: string): Pick<Populated, 'probes' | 'growTo'> {
  const probes: string[] = []
  let size = 0

  /** Real grants: what a request for one of these users opens. */
  async function importProbes(count: number): Promise<void> {
    const users = Array.from({ length: count }, () => `user-${randomBytes(12).toString('hex')}`)
    for (let at = 0; at < count; at += tokensAnImport) {
      const tokens = users.slice(at, at + tokensAnImport).map((id) => ({
        accessToken: randomBytes(450).toString('base64url'),
        refreshToken: randomBytes(48).toString('base64url'),
        expiresAt: Date.now() + day,
        subject: { type: 'user', id },
        environment,
        scopes: ['read'],
      }))
      const path = `/v1/connect/token/${encodeURIComponent(connector)}/import`
      const answer = await owner.call<{ imported: number }>('POST', path, { project, tokens })
      if (answer.imported !== tokens.length) throw new Error('Not every grant was imported')
    }
    probes.push(...users)
    size += count
  }

  /** Copies of a real grant under other names: as large as one, and never opened. */
  async function copyRows(count: number): Promise<void> {
    const from = size
    await sql.query(
      `insert into grants
       select (jsonb_populate_record(g, jsonb_build_object(
         'id', 'grt_' || substr(md5($2 || n), 1, 20),
         'user_id', 'user-' || substr(md5(n || $2), 1, 24),
         'access_expires_at', g.access_expires_at + (random() * ${day})::bigint))).*
       from grants g, generate_series($1::int, $1::int + $3::int - 1) n
       where g.id = (select min(id) from grants where user_id = $4)`,
      [from, label, count, probes[0]],
    )
    size += count
  }

  return {
    probes,
    async growTo(grants) {
      if (size === 0) await importProbes(Math.min(1_000, grants))
      while (size < grants) {
        const step = Math.min(chunk, Math.max(1, Math.ceil(grants / 10)), grants - size)
        const real = Math.min(100, step)
        await importProbes(real)
        if (step > real) await copyRows(step - real)
      }
      await sql.query('vacuum analyze grants')
      await sql.query('checkpoint')
    },
  }
}
