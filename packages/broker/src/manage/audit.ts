import type { JSONWebKeySet } from 'jose'
import { z } from 'zod'
import { createAnchorSigner, verifyAnchor } from '../audit/anchor.ts'
import { readAnchor } from '../audit/anchor-store.ts'
import { type VerifiedCheckpoint, verifyCheckpoint } from '../audit/checkpoint.ts'
import type { AuditActor } from '../audit/event.ts'
import { exportLines, readTrail, TrailPruned } from '../audit/export.ts'
import { dropAuditBefore, type PruneResult } from '../audit/prune.ts'
import { decodeAuditCursor, listAuditEvents } from '../audit/read.ts'
import { type AuditVerification, verifyAuditTrail } from '../audit/verify.ts'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { connectorOf } from './connectors.ts'
import { parseInput } from './input.ts'
import { projectOf } from './projects.ts'

const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().optional(),
  project: z.string().optional(),
  connector: z.string().optional(),
  kind: z.string().max(64).optional(),
  since: z.coerce.number().int().min(0).optional(),
  until: z.coerce.number().int().min(0).optional(),
})

const retentionBody = z.strictObject({ before: z.int().min(0) })

/** Deleting goes faster than reading: few readings in a row are overtaken. */
const verifyAttempts = 5

const verifyBody = z.strictObject({ checkpoints: z.array(z.string().max(65_536)).max(100).optional() })

export async function listEvents(
  context: BrokerContext,
  query: Readonly<Record<string, string | undefined>>,
): Promise<Outcome<object>> {
  const input = parseInput(listQuery, query)
  if (!input.ok) return input
  const { limit, cursor, project, connector, kind, since, until } = input.value
  const before = cursor === undefined ? undefined : decodeAuditCursor(cursor)
  if (cursor !== undefined && before === undefined) {
    return refuse({ reason: 'request_invalid', message: 'cursor: not one that a listing returned' })
  }
  const projectRow = project === undefined ? undefined : await projectOf(context, project)
  if (projectRow?.ok === false) return projectRow
  const connectorRow = connector === undefined ? undefined : await connectorOf(context, connector)
  if (connectorRow?.ok === false) return connectorRow
  const page = await listAuditEvents(context.db, {
    limit,
    ...(before === undefined ? {} : { before }),
    ...(projectRow === undefined ? {} : { projectId: projectRow.value.id }),
    ...(connectorRow === undefined ? {} : { connectorId: connectorRow.value.id }),
    ...(kind === undefined ? {} : { kind }),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
  })
  return accept(page)
}

/** Verifies the trail in the database, against checkpoints that the caller kept elsewhere. */
export async function verifyTrail(context: BrokerContext, body: unknown): Promise<Outcome<object>> {
  const input = parseInput(verifyBody, body)
  if (!input.ok) return input
  const keys = checkpointKeys(context)
  const checkpoints = await Promise.all(
    (input.value.checkpoints ?? []).map((jws) => verifyCheckpoint(jws, { keys })),
  )
  for (let attempt = 1; attempt <= verifyAttempts; attempt += 1) {
    const verification = await verifyOnce(context, keys, checkpoints)
    if (verification !== undefined) return accept(verification)
  }
  return refuse({ reason: 'unavailable', message: 'Old audit events are being dropped: verify again later' })
}

/** `undefined` when retention dropped events meanwhile: what was read was never one trail. */
async function verifyOnce(
  { db }: BrokerContext,
  keys: JSONWebKeySet,
  checkpoints: readonly VerifiedCheckpoint[],
): Promise<AuditVerification | undefined> {
  const stored = await readAnchor(db)
  const anchor = stored === undefined ? {} : { anchor: await verifyAnchor(stored, { keys }) }
  try {
    const verification = await verifyAuditTrail(readTrail(db), checkpoints, anchor)
    // Valid is valid; a fault may be no more than an anchor that came later.
    return verification.valid || (await readAnchor(db)) === stored ? verification : undefined
  } catch (error) {
    if (error instanceof TrailPruned) return undefined
    throw error
  }
}

/** Drops events from before a time in the past. The answer says how many, of how many chains, and the signed anchor. */
export async function pruneTrail(
  context: BrokerContext,
  by: { readonly actor: AuditActor; readonly requestId?: string },
  body: unknown,
  signal?: AbortSignal,
): Promise<Outcome<PruneResult>> {
  const input = parseInput(retentionBody, body)
  if (!input.ok) return input
  const { before } = input.value
  if (before > context.now()) {
    return refuse({ reason: 'request_invalid', message: 'before: must be in the past' })
  }
  const { db, audit, now, log, publicUrl, checkpointKey } = context
  const keys = checkpointKeys(context)
  const sign = createAnchorSigner({ key: checkpointKey, publicUrl, now })
  const request = { before, ...by, ...(signal === undefined ? {} : { signal }) }
  return dropAuditBefore({ db, audit, now, log, keys, sign }, request)
}

/** The whole trail as JSON Lines, ending with a checkpoint over exactly what was written. */
export function exportTrail(context: BrokerContext): AsyncGenerator<string, void, undefined> {
  const { db, publicUrl, now, checkpointSigner: sign } = context
  return exportLines({ db, publicUrl, now, sign, keys: checkpointKeys(context) })
}

/** The public keys of checkpoints, as a JWKS. */
export function checkpointKeys(context: BrokerContext): JSONWebKeySet {
  return { keys: [context.checkpointKey.publicJwk] }
}
