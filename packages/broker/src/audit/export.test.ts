import { execFileSync } from 'node:child_process'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createCheckpointSigner, readCheckpoints, verifyCheckpoint } from './checkpoint.ts'
import { exportLines } from './export.ts'
import { ExportMalformed, parseExport } from './parse-export.ts'
import { decodeAuditCursor, listAuditEvents } from './read.ts'
import {
  makeKey,
  makeTrail,
  openPglite,
  publicUrl,
  sampleEvent,
  stream,
  type TestDatabase,
  type TestKey,
} from './test-databases.ts'
import { type AuditVerification, verifyAuditTrail } from './verify.ts'

let database: TestDatabase
let key: TestKey
beforeAll(async () => {
  ;[database, key] = await Promise.all([openPglite(), makeKey()])
})
afterAll(() => database.close())
beforeEach(() => database.reset())

async function exported(): Promise<string[]> {
  const sign = createCheckpointSigner({ key, publicUrl, now: Date.now })
  const lines: string[] = []
  const options = { db: database.db, now: () => 1234, publicUrl, keys: key.keys, sign }
  for await (const line of exportLines(options)) lines.push(line)
  return lines
}

/** What `audit verify --file` does. */
async function verifyLines(lines: readonly string[], checkpointFile = ''): Promise<AuditVerification> {
  const parsed = await parseExport(stream(lines))
  const trust = (jws: string) => verifyCheckpoint(jws, { keys: key.keys })
  return verifyAuditTrail(parsed.events, await Promise.all(readCheckpoints(checkpointFile).map(trust)), {
    closing: () => Promise.all(parsed.checkpoints().map(trust)),
  })
}

async function fill(): Promise<void> {
  const trails = [1, 2, 3].map(() => makeTrail(database, key).trail)
  for (const trail of trails) await trail.append(sampleEvent(0))
  await Promise.all(
    Array.from({ length: 2500 }, (_, n) => trails[n % 2]?.append(sampleEvent(n, { code: 'forbidden' }))),
  )
}

it('exports interleaved chains of many pages so that they verify offline', async () => {
  await fill()
  const lines = await exported()
  expect(JSON.parse(lines[0] ?? '')).toEqual({ type: 'header', v: 1, publicUrl, at: 1234, keys: key.keys })
  expect(await verifyLines(lines)).toEqual({ valid: true, events: 2506, tail: 'unproven' })
  expect(await verifyLines(lines, lines.join('\n'))).toMatchObject({ valid: true, tail: 'proven' })
  expect(lines.join('\n')).not.toMatch(/"d":/)
})

it('exports an empty trail', async () => {
  expect(await verifyLines(await exported())).toEqual({ valid: true, events: 0, tail: 'unproven' })
})

it('reads only what was committed when it began, so that events appended meanwhile make no gap', async () => {
  const { trail } = makeTrail(database, key)
  await trail.append(sampleEvent(0))
  await fill()
  const sign = createCheckpointSigner({ key, publicUrl, now: Date.now })
  const lines: string[] = []
  for await (const line of exportLines({ db: database.db, now: Date.now, publicUrl, keys: key.keys, sign })) {
    if (lines.length % 500 === 1) await trail.append(sampleEvent(lines.length))
    lines.push(line)
  }
  expect(await verifyLines(lines)).toMatchObject({ valid: true, events: 2508 })
})

it('S29 finds a cut of the table between two exports by the checkpoint of the first', async () => {
  const { trail } = makeTrail(database, key)
  await Promise.all([1, 2, 3].map((n) => trail.append(sampleEvent(n))))
  const before = (await exported()).join('\n')
  await sql`delete from audit_events where seq = 3`.execute(database.db)
  const after = await exported()
  expect(await verifyLines(after)).toMatchObject({ valid: true, tail: 'unproven' })
  expect(await verifyLines(after, before)).toMatchObject({
    valid: false,
    problem: expect.stringContaining('the chain ends at event 2'),
  })
})

it('S29 finds a file that lost lines or was written on', async () => {
  await fill()
  const lines = await exported()
  const [header = '', ...events] = lines
  expect((await verifyLines(lines.slice(0, -1))).problem).toContain('it was cut')
  expect((await verifyLines([header, ...events.slice(0, 700), ...events.slice(701)])).valid).toBe(false)
  expect((await verifyLines([...lines.slice(0, -2), ...lines.slice(-1)])).valid).toBe(false)
  await expect(verifyLines([...lines, events[0] ?? ''])).rejects.toThrow(ExportMalformed)
})

it('names the line of a damaged export and quotes nothing of it', async () => {
  const lines = await exported()
  await expect(parseExport(stream(['{"hush":1}']))).rejects.toThrow(
    /^The export is damaged: line 1 is not what/,
  )
  await expect(parseExport(stream([]))).rejects.toThrow('line 1 is missing')
  await expect(verifyLines([lines[0] ?? '', 'hush'])).rejects.toThrow(
    /^The export is damaged: line 2 is not JSON$/,
  )
  await expect(verifyLines([lines[0] ?? '', '{"type":"event","body":"hush"}'])).rejects.toThrow(
    /^The export is damaged: line 2 is not what an export has there$/,
  )
})

it('is verified by hand with jq and sha256sum, as documented', async () => {
  const { trail } = makeTrail(database, key)
  await trail.append(sampleEvent(1, { details: { text: 'é "quoted" \\ \0' } }))
  const line = (await exported())[2] ?? ''
  let sum: string
  try {
    sum = execFileSync('sh', ['-c', `jq -j '.previousHash + "\\n" + .body' | sha256sum`], {
      input: line,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    })
  } catch {
    return // No jq on this machine.
  }
  expect(sum.split(' ')[0]).toBe(JSON.parse(line).hash)
})

it('lists newest first, page by page, by project, connector, kind and time', async () => {
  const { trail } = makeTrail(database, key, { now: () => 5000 })
  for (let n = 0; n < 7; n += 1) {
    await trail.append(
      sampleEvent(n, n === 3 ? { kind: 'token_refused', code: 'forbidden', projectId: 'prj_2' } : {}),
    )
  }
  const requests: unknown[] = []
  let cursor: string | null = null
  do {
    const before: number | undefined = cursor === null ? undefined : decodeAuditCursor(cursor)
    const page = await listAuditEvents(database.db, { limit: 3, ...(before !== undefined && { before }) })
    requests.push(...page.events.map((event) => event.requestId))
    cursor = page.cursor
  } while (cursor !== null)
  expect(requests).toEqual(['req_6', 'req_5', 'req_4', 'req_3', 'req_2', 'req_1', 'req_0', undefined])
  const refused = await listAuditEvents(database.db, { limit: 9, projectId: 'prj_2', kind: 'token_refused' })
  expect(refused).toEqual({
    cursor: null,
    events: [
      {
        chain: expect.any(String),
        seq: 4,
        at: 5000,
        ...sampleEvent(3, { kind: 'token_refused', code: 'forbidden', projectId: 'prj_2' }),
      },
    ],
  })
  const count = async (filter: object) =>
    (await listAuditEvents(database.db, { limit: 50, ...filter })).events.length
  expect(await count({ connectorId: 'scl_1' })).toBe(7)
  expect(await count({ connectorId: 'scl_2' })).toBe(0)
  expect(await count({ sinceMs: 5000, untilMs: 5001 })).toBe(8)
  expect(await count({ untilMs: 5000 })).toBe(0)
})

it('lists a damaged row by its columns, and takes only its own cursors', async () => {
  const { trail } = makeTrail(database, key)
  await trail.append(sampleEvent(1))
  await sql`update audit_events set body = '[' where seq = 1`.execute(database.db)
  const { events } = await listAuditEvents(database.db, { limit: 1 })
  expect(events).toEqual([
    { chain: expect.any(String), seq: 1, at: expect.any(Number), kind: 'token_issued' },
  ])
  expect(['', '-1', '1; drop', '1e3', '9'.repeat(30)].map(decodeAuditCursor)).toEqual(
    Array(5).fill(undefined),
  )
})
