import type { JSONWebKeySet } from 'jose'
import { z } from 'zod'
import { verifyCheckpoint } from '../audit/checkpoint.ts'
import { exportLines, readTrail } from '../audit/export.ts'
import { decodeAuditCursor, listAuditEvents } from '../audit/read.ts'
import { verifyAuditTrail } from '../audit/verify.ts'
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
  return accept(await verifyAuditTrail(readTrail(context.db), checkpoints))
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
