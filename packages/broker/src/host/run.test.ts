import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { generateKey } from '../secrets/key-ring.ts'
import { readServerSettings } from './environment.ts'
import { HostError } from './host-error.ts'
import { createLocalAccessToken, migrateDatabase, rotateHostKeys, startServer } from './run.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-host-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

function options(environment: Record<string, string> = {}) {
  return { environment: { PORT: '0', ...environment }, dataDir: folder, log: silentLog }
}
/** A migrated database and its keys, if the run of tests has made one: making one takes seconds. */
async function putDatabase(): Promise<void> {
  const base = process.env.VALETKEY_TEST_DATABASE
  if (base === undefined) return
  await cp(base, folder, { recursive: true })
  await writeFile(join(folder, 'keys'), `${generateKey(Date.now()).text}\n`, { mode: 0o600 })
}
const keysFile = () => readFile(join(folder, 'keys'), 'utf8')

it('opens a folder that was migrated first', { timeout: 60_000 }, async () => {
  expect((await migrateDatabase(options())).applied).toContain('0001-foundation')
  expect(await createLocalAccessToken({ ...options(), role: 'owner' })).toMatchObject({ role: 'owner' })
})

it('S25 loses no key when two rotations meet', { timeout: 120_000 }, async () => {
  await putDatabase()
  await createLocalAccessToken({ ...options(), role: 'owner' })
  const rotations = await Promise.allSettled([rotateHostKeys(options()), rotateHostKeys(options())])
  expect(rotations.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect((await keysFile()).trim().split(',')).toHaveLength(1)
  expect(await createLocalAccessToken({ ...options(), role: 'auditor' })).toMatchObject({ role: 'auditor' })
})

it('S25 leaves the keys of a running broker alone', { timeout: 60_000 }, async () => {
  await putDatabase()
  const running = await startServer(options())
  try {
    const before = await keysFile()
    await expect(rotateHostKeys(options())).rejects.toThrow(HostError)
    expect(await keysFile()).toBe(before)
  } finally {
    await running.close()
  }
})

it.each([
  [{ VALETKEY_EGRESS_ALLOW: 'not a host' }, 'VALETKEY_EGRESS_ALLOW'],
  [{ VALETKEY_EGRESS_ALLOW: '169.254.0.0/16' }, 'VALETKEY_EGRESS_ALLOW'],
  [{ VALETKEY_PUBLIC_URL: 'https://keys.example/?x=1' }, 'VALETKEY_PUBLIC_URL'],
  [{ VALETKEY_PUBLIC_URL: 'http://keys.example' }, 'VALETKEY_PUBLIC_URL'],
  [{ DATABASE_URL: 'mysql://localhost/x' }, 'DATABASE_URL'],
  [{ DATABASE_URL: 'postgres://localhost/x' }, 'VALETKEY_KEYS'],
  [{ DATABASE_URL: 'postgres://localhost/x', VALETKEY_KEYS: 'k1:short' }, 'k1'],
  [{ PORT: 'many' }, 'PORT'],
  [{ VALETKEY_AUDIT_RETENTION_DAYS: '0' }, 'VALETKEY_AUDIT_RETENTION_DAYS'],
  [{ VALETKEY_AUDIT_RETENTION_DAYS: '1e3' }, 'VALETKEY_AUDIT_RETENTION_DAYS'],
  [{ VALETKEY_AUDIT_RETENTION_DAYS: '90d' }, 'VALETKEY_AUDIT_RETENTION_DAYS'],
])('names the variable that is wrong in %o', async (environment, name) => {
  const failure = await startServer(options(environment)).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(HostError)
  expect(failure).toMatchObject({ kind: 'misuse', message: expect.stringContaining(name) })
})

it('S29 keeps audit events for ever unless told how many days', async () => {
  const days = async (text?: string) => {
    const variables = text === undefined ? {} : { VALETKEY_AUDIT_RETENTION_DAYS: text }
    return (await readServerSettings(variables, folder)).broker.auditRetentionDays
  }
  expect(await days()).toBeUndefined()
  expect(await days(' ')).toBeUndefined()
  expect(await days(' 90 ')).toBe(90)
})
