import type { TracerProvider } from '@opentelemetry/api'
import { drivers as builtInDrivers, type Driver } from '@valetkey/connectors'
import { type CheckpointSigner, createCheckpointSigner } from './audit/checkpoint.ts'
import type { AuditEvent } from './audit/event.ts'
import { checkRetentionDays, createRetentionWork } from './audit/retention-work.ts'
import { type AuditTrail, createAuditTrail } from './audit/trail.ts'
import { createDevelopmentIssuer } from './authenticate/development-issuer.ts'
import { createIdentitiesSeen } from './authenticate/identities-seen.ts'
import { createIdentityVerifier } from './authenticate/identity-token.ts'
import { createIssuerKeys } from './authenticate/issuer-keys.ts'
import type { BackgroundWork } from './background.ts'
import { createConsentWork } from './consent/consent-work.ts'
import type { BrokerContext } from './context.ts'
import { createEgress, type Egress } from './egress/egress-fetch.ts'
import { loadSubjectSecret } from './gateway/subject.ts'
import { createApp } from './http/app.ts'
import { createGrantWork } from './issue/grant-work.ts'
import { createGrantsInUse } from './issue/grants-in-use.ts'
import { createRevocationWork } from './issue/revocation-work.ts'
import { createRateLimits, type RateLimitsConfig } from './limits/rate-limits.ts'
import { type Log, silentLog } from './log.ts'
import { pruneTrail } from './manage/audit.ts'
import { createMetrics } from './metrics.ts'
import { checkKeyRing } from './secrets/canary.ts'
import { parseKeyRing } from './secrets/key-ring.ts'
import { loadSigningKey } from './secrets/signing-keys.ts'
import { migrate } from './store/migrate.ts'
import { type OpenDatabase, openEmbedded, openPostgres } from './store/open-database.ts'
import { createTrustSnapshots } from './store/trust-snapshot.ts'
import { createTracing } from './tracing.ts'

/** Everything a broker is told; it reads no environment variable and no file that is not named here. */
export interface BrokerConfig {
  /** The URL under which clients reach it. It is the audience of identities and the issuer of what the broker signs. */
  readonly publicUrl: string
  /** A PostgreSQL URL; or a folder (or memory) for the embedded database, which one process at a time may use. */
  readonly database:
    | { readonly url: string; readonly maxConnections?: number }
    | { readonly folder: string }
    | 'memory'
  /** The key ring: `id:base64,…`, 32 bytes each; the first encrypts, the others still open what they once encrypted. */
  readonly keys: string
  /** A broker for one person's machine: trusts its own development identities, checks `Host` and `Origin`. Default false. */
  readonly development?: boolean
  /** Hosts, addresses or ranges that outgoing calls may reach besides public ones. Default none. */
  readonly egressAllow?: readonly string[]
  /** Default: GitHub, Slack, API key. */
  readonly drivers?: readonly Driver[]
  /** Default: silent. */
  readonly log?: Log
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number
  /** How often tokens and grants are ended, and grants refreshed, in the background. Default 5,000 ms. */
  readonly revocationEveryMs?: number
  /** Audit events older than so many days are dropped once a day, behind a signed anchor. Default: kept for ever. */
  readonly auditRetentionDays?: number
  /** How much is answered per minute, by each replica on its own. */
  readonly limits?: RateLimitsConfig
  /**
   * Whether every request comes through a proxy that writes `X-Forwarded-For`: limits then take its last entry for the
   * client's address. Default false: whoever reaches the broker without one could name any address.
   */
  readonly trustProxy?: boolean
  /**
   * Gets a span for each request and its steps, as part of the caller's trace. Spans find each other by OpenTelemetry's
   * global context manager and propagator, which whoever registers the provider registers too. Default: no traces.
   */
  readonly tracerProvider?: TracerProvider
}

/** An issuing point. */
export interface Broker {
  /**
   * Answers one HTTP request. `connection`: what `@hono/node-server` passes second, by which limits know addresses.
   * Before `start` and after `close` it answers 503.
   */
  readonly fetch: (request: Request, connection?: unknown) => Promise<Response>
  /** Opens and migrates the database, checks the keys, starts the background work. */
  start(): Promise<void>
  /** Finishes the background work, signs a last checkpoint and closes the database. Requests in flight should be over. */
  close(): Promise<void>
}

/**
 * Creates an issuing point. Does no I/O before {@link Broker.start}.
 *
 * @throws {TypeError} when the public URL is not an http(s) URL without query and fragment.
 * @throws {KeyRingInvalid} when the key ring can't be read.
 */
export function createBroker(config: BrokerConfig): Broker {
  return assembleBroker(config).broker
}

/** A broker, and what a process on its own host may reach behind it. */
export interface AssembledBroker {
  readonly broker: Broker
  /** Present between `start` and `close`. */
  readonly context: () => BrokerContext | undefined
}

/** As {@link createBroker}, for this package's own host commands. */
export function assembleBroker(
  config: BrokerConfig,
  /** Instead of opening what `config.database` names: a folder that the caller holds already. */
  opened?: () => Promise<OpenDatabase>,
): AssembledBroker {
  const publicUrl = parsePublicUrl(config.publicUrl)
  const keyRing = parseKeyRing(config.keys)
  const log = config.log ?? silentLog
  const now = config.now ?? Date.now
  const development = config.development ?? false
  const egressAllow = config.egressAllow ?? []
  const drivers = config.drivers ?? builtInDrivers
  const limits = createRateLimits(config.limits, now)
  const { auditRetentionDays } = config
  if (auditRetentionDays !== undefined) checkRetentionDays(auditRetentionDays)
  const driversByService = new Map(drivers.map((driver) => [driver.service, driver]))

  let context: BrokerContext | undefined
  let database: OpenDatabase | undefined
  let background: readonly BackgroundWork[] = []
  const tracing = createTracing(config.tracerProvider)
  const app = createApp({ context: () => context, log, development, publicUrl, tracing })

  async function startWith(open: OpenDatabase, egress: Egress): Promise<void> {
    const { db } = open
    await checkKeyRing(db, keyRing)
    const checkpointKey = await loadSigningKey(db, keyRing, 'audit-checkpoint', now())
    const developmentKey = await loadSigningKey(db, keyRing, 'development-identity', now())
    const attestationKey = await loadSigningKey(db, keyRing, 'trigger-attestation', now())
    const gateway = {
      key: await loadSigningKey(db, keyRing, 'gateway-token', now()),
      subjectSecret: await loadSubjectSecret(db, keyRing),
    }
    const trust = createTrustSnapshots(db)
    await trust.refresh()
    const developmentIssuer = createDevelopmentIssuer({
      publicUrl,
      now,
      key: developmentKey,
      // A server never lets a laptop pass for anything but development.
      ...(development ? {} : { environments: ['development'] }),
      admits: async (projectId) => {
        const project = await trust.project(projectId)
        return project?.allowsDevelopment === true ? project : undefined
      },
    })
    const checkpointSigner: CheckpointSigner = createCheckpointSigner({ key: checkpointKey, publicUrl, now })
    const audit = createAuditTrail({ db, now, log, sign: checkpointSigner })
    const started: BrokerContext = {
      publicUrl,
      development,
      allowHttpLoopback: development || egressAllow.length > 0,
      db,
      keyRing,
      trust,
      verifyIdentity: createIdentityVerifier({
        rules: trust,
        keys: createIssuerKeys({ fetch: egress.fetch, now, log }),
        now,
        development: developmentIssuer,
        seen: createIdentitiesSeen({ now, record: (event) => recordAside(audit, event, log) }),
      }),
      developmentIssuer,
      developmentKey,
      attestationKey,
      gateway,
      audit,
      checkpointKey,
      checkpointSigner,
      egress,
      findDriver: (service) => driversByService.get(service),
      drivers,
      grantsInUse: createGrantsInUse(db),
      limits,
      trustProxy: config.trustProxy ?? false,
      metrics: createMetrics(),
      tracing,
      log,
      now,
    }
    await audit.start()
    const everyMs = config.revocationEveryMs ?? 5_000
    background = [
      createRevocationWork(started, { everyMs }),
      createGrantWork(started, { everyMs }),
      createConsentWork(started, { everyMs }),
      ...(auditRetentionDays === undefined
        ? []
        : [
            createRetentionWork({
              days: auditRetentionDays,
              now,
              log,
              prune: (before, signal) =>
                pruneTrail(started, { actor: { type: 'broker' } }, { before }, signal),
            }),
          ]),
    ]
    for (const work of background) work.start()
    context = started
  }

  const broker: Broker = {
    fetch: async (request, connection) => app.fetch(request, connection as object),
    async start() {
      if (database !== undefined) throw new Error('The broker has been started already')
      // First: a mistake in it should not have a database made.
      const egress = createEgress({ allow: egressAllow, allowLoopback: development })
      const open =
        opened === undefined ? await openMigrated(config.database, log) : await migrateOrClose(await opened())
      database = open
      try {
        await startWith(open, egress)
      } catch (error) {
        database = undefined
        await open.close()
        throw error
      }
    },
    async close() {
      const closing = context
      context = undefined
      await Promise.all(background.map((work) => work.stop()))
      background = []
      await closing?.grantsInUse.flush(now()).catch(() => undefined)
      await closing?.audit.stop()
      await closing?.egress.close()
      await database?.close()
      database = undefined
    },
  }
  return { broker, context: () => context }
}

/** For what nobody's answer waits for. */
function recordAside(audit: AuditTrail, event: AuditEvent, log: Log): void {
  audit.append(event).catch((error: unknown) => {
    const reason = error instanceof Error ? error.name : 'unknown'
    log('warn', 'an identity that was seen was not recorded', { reason })
  })
}

async function openMigrated(database: BrokerConfig['database'], log: Log): Promise<OpenDatabase> {
  if (database === 'memory' || 'folder' in database) {
    const embedded = await openEmbedded({ folder: database === 'memory' ? 'memory' : database.folder, log })
    return migrateOrClose(embedded)
  }
  const { url, maxConnections } = database
  // A migration, or waiting for another replica's, may take longer than any request may.
  const patient = openPostgres({ url, log, maxConnections: 2, statementTimeoutMs: 0 })
  await (await migrateOrClose(patient)).close()
  return openPostgres({ url, log, ...(maxConnections === undefined ? {} : { maxConnections }) })
}

async function migrateOrClose(database: OpenDatabase): Promise<OpenDatabase> {
  try {
    await migrate(database.db)
    return database
  } catch (error) {
    await database.close()
    throw error
  }
}

function parsePublicUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError('publicUrl must be a URL, for example https://valetkey.example.com')
  }
  const plain = url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  if (!/^https?:$/.test(url.protocol) || !plain) {
    throw new TypeError('publicUrl must be an http(s) URL without user, query and fragment')
  }
  return text.replace(/\/+$/, '')
}
