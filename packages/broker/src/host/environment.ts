import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BrokerConfig } from '../create-broker.ts'
import { parseEgressPolicy } from '../egress/egress-policy.ts'
import { dataFolderKeys } from '../store/data-folder.ts'
import { HostError } from './host-error.ts'

/** A process's environment variables. */
export type Variables = Readonly<Record<string, string | undefined>>

/** One variable; set to nothing but white space it counts as not set. */
export function variable(variables: Variables, name: string): string | undefined {
  return variables[name]?.trim() || undefined
}

/** The port of `dev` and `serve` unless told. */
export const defaultPort = 4570

/** What the environment says about a server: the one place that reads it. */
export interface ServerSettings {
  readonly port: number
  /** All interfaces when a public URL is configured, loopback otherwise. */
  readonly hostname: string
  /** Absent: the address it listens on. */
  readonly publicUrl?: string
  readonly broker: Pick<
    BrokerConfig,
    'database' | 'keys' | 'egressAllow' | 'auditRetentionDays' | 'trustProxy'
  >
}

/**
 * Reads `PORT`, `VALETKEY_PUBLIC_URL`, `DATABASE_URL`, `VALETKEY_KEYS`, `VALETKEY_EGRESS_ALLOW`,
 * `VALETKEY_AUDIT_RETENTION_DAYS` and `VALETKEY_TRUST_PROXY`.
 *
 * Without `DATABASE_URL` the embedded database in `dataDir` is used, and its keys are made there.
 *
 * @throws {HostError} naming the variable, never its value.
 */
export async function readServerSettings(variables: Variables, dataDir: string): Promise<ServerSettings> {
  const value = (name: string) => variable(variables, name)
  const port = parsePort(value('PORT'))
  const publicUrl = value('VALETKEY_PUBLIC_URL')
  if (publicUrl !== undefined) checkPublicUrl(publicUrl)
  const egressAllow = parseEgressAllow(value('VALETKEY_EGRESS_ALLOW'))
  const auditRetentionDays = parseRetentionDays(value('VALETKEY_AUDIT_RETENTION_DAYS'))
  const trustProxy = parseTrustProxy(value('VALETKEY_TRUST_PROXY'))
  const { database, keys } = await readStore(value('DATABASE_URL'), value('VALETKEY_KEYS'), dataDir)
  return {
    port,
    hostname: publicUrl === undefined ? '127.0.0.1' : '0.0.0.0',
    ...(publicUrl === undefined ? {} : { publicUrl }),
    broker: {
      database,
      keys,
      egressAllow,
      ...(auditRetentionDays === undefined ? {} : { auditRetentionDays }),
      ...(trustProxy ? { trustProxy } : {}),
    },
  }
}

/** Where the data is, and the keys that open it. */
export async function readStore(
  databaseUrl: string | undefined,
  keys: string | undefined,
  dataDir: string,
): Promise<Pick<BrokerConfig, 'database' | 'keys'>> {
  if (databaseUrl === undefined) {
    return {
      database: { folder: dataDir },
      keys: keys ?? (await dataFolderKeys(dataDir, { hasData: hasEmbeddedData(dataDir) })),
    }
  }
  checkDatabaseUrl(databaseUrl)
  if (keys === undefined) {
    throw new HostError(
      'misuse',
      'VALETKEY_KEYS is not set: with DATABASE_URL the key ring must come from outside the database. Make a key with: echo "k1:$(openssl rand -base64 32)"',
    )
  }
  return { database: { url: databaseUrl }, keys }
}

/** @throws {HostError} when it names no PostgreSQL. */
export function checkDatabaseUrl(databaseUrl: string): void {
  if (/^postgres(?:ql)?:\/\//.test(databaseUrl)) return
  throw new HostError('misuse', 'DATABASE_URL must begin with postgres:// or postgresql://')
}

/** True when the folder holds an embedded database, whose keys must then exist. */
export function hasEmbeddedData(dataDir: string): boolean {
  return existsSync(join(dataDir, 'db'))
}

function parseEgressAllow(text: string | undefined): readonly string[] {
  const allow = (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  try {
    parseEgressPolicy({ allow, allowLoopback: false })
    return allow
  } catch (error) {
    if (error instanceof Error) throw new HostError('misuse', `VALETKEY_EGRESS_ALLOW: ${error.message}`)
    throw error
  }
}

function parseTrustProxy(text: string | undefined): boolean {
  if (text !== undefined && text !== '1' && text !== '0')
    throw new HostError('misuse', 'VALETKEY_TRUST_PROXY must be 1 or 0')
  return text === '1'
}

function parsePort(text: string | undefined): number {
  if (text === undefined) return defaultPort
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new HostError('misuse', 'PORT must be a number from 0 to 65535')
  return port
}

function parseRetentionDays(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  // Strictly: a value that was read as less than was meant would drop what can't be brought back.
  if (!/^[1-9]\d{0,4}$/.test(text)) {
    throw new HostError(
      'misuse',
      'VALETKEY_AUDIT_RETENTION_DAYS must be a whole number of days, from 1 to 99999; unset keeps audit events for ever',
    )
  }
  return Number(text)
}

function checkPublicUrl(text: string): void {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new HostError(
      'misuse',
      'VALETKEY_PUBLIC_URL must be a URL, for example https://valetkey.example.com',
    )
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new HostError('misuse', 'VALETKEY_PUBLIC_URL must have no user, query or fragment')
  }
  const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    throw new HostError(
      'misuse',
      'VALETKEY_PUBLIC_URL must be https (http only on loopback): identities and tokens travel over it',
    )
  }
}
