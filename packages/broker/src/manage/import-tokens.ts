import type { Driver } from '@valetkey/connectors'
import type { ImportTokensResponse } from '@valetkey/protocol'
import { z } from 'zod'
import { actorOf } from '../audit/actor.ts'
import { auditReference } from '../audit/reference.ts'
import { authenticate, requireRole } from '../authenticate/authenticate.ts'
import type { BrokerContext } from '../context.ts'
import { sealCredential } from '../issue/grant-credential.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { listAttachments } from '../store/attachments.ts'
import { errorCode } from '../store/database-unreachable.ts'
import { keepGrant } from '../store/grants.ts'
import type { ConnectorRow, ProjectRow } from '../store/schema.ts'
import { connectorOf } from './connectors.ts'
import { type ImportedGrant, type ImportPlace, importedGrant } from './imported-grant.ts'
import { parseInput } from './input.ts'
import { projectOf } from './projects.ts'

// Each token is parsed by itself: one that is wrong must not keep the others out.
const importRequest = z.strictObject({
  project: z.string().min(1).max(2048),
  tokens: z.array(z.unknown()).min(1).max(1000),
})

type ImportRequest = z.output<typeof importRequest>

/**
 * `POST /v1/connect/token/{connector}/import`.
 *
 * For operators only. An import is a grant without a consent: a workload that could make one could be talked into
 * planting somebody else's account where a user's own belongs.
 */
export async function answerImportRequest(
  context: BrokerContext,
  incoming: {
    readonly requestId: string
    readonly credential: string | undefined
    readonly connector: string
    /** Its JSON, or the refusal that it is none: said only to somebody who is known. */
    readonly body: Outcome<unknown>
  },
): Promise<Outcome<ImportTokensResponse>> {
  const caller = await authenticate(context, incoming.credential)
  if (!caller.ok) {
    context.audit.countAnonymous(caller.refusal.reason)
    return caller
  }
  const about = {
    requestId: incoming.requestId,
    actor: actorOf(caller.value),
    action: 'tokens.import',
    ...(caller.value.kind === 'workload'
      ? { projectId: caller.value.projectId, environment: caller.value.environment }
      : {}),
  } as const
  const connector = auditReference('connector', incoming.connector)
  const refuseAudited = async (refusal: Refusal) => {
    await context.audit.append({
      ...about,
      kind: 'management_refused',
      code: answerFor(refusal).code,
      reason: refusal.reason,
      details: { connector },
    })
    return refuse(refusal)
  }

  const manager = requireRole(caller.value, 'manager')
  if (!manager.ok) return refuseAudited(manager.refusal)
  const request = incoming.body.ok ? parseInput(importRequest, incoming.body.value) : incoming.body
  if (!request.ok) return refuseAudited(request.refusal)
  const project = auditReference('project', request.value.project)
  const accepted = request.value.tokens.length
  await context.audit.append({
    ...about,
    kind: 'management_intended',
    details: { connector, project, accepted },
  })
  const ends = await endsOf(context, incoming.connector, request.value)
  if (!ends.ok) return refuseAudited(ends.refusal)

  const outcomes: Outcome<string>[] = []
  const place = await placeOf(context, ends.value)
  for (const token of request.value.tokens) outcomes.push(await importOne(context, place, token))
  const grants = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  await context.audit.append({
    ...about,
    kind: 'management_done',
    projectId: ends.value.project.id,
    connectorId: ends.value.connector.id,
    connectorUid: ends.value.connector.uid,
    details: { connector, project, accepted, imported: grants.length, grants },
  })
  return accept({ accepted, imported: grants.length, tokens: outcomes.map(describeOutcome) })
}

interface Ends {
  readonly connector: ConnectorRow
  readonly driver: Driver
  readonly project: ProjectRow
}

async function endsOf(
  context: BrokerContext,
  reference: string,
  request: ImportRequest,
): Promise<Outcome<Ends>> {
  const connector = await connectorOf(context, reference)
  if (!connector.ok) return connector
  const project = await projectOf(context, request.project)
  if (!project.ok) return project
  const driver = context.findDriver(connector.value.service)
  if (driver === undefined)
    return refuse({ reason: 'unavailable', message: 'This broker has no driver for this connector' })
  if (driver.consent === undefined) {
    const message = `A ${driver.service} connector keeps no grants: there is nothing to import tokens into`
    return refuse({ reason: 'request_invalid', message })
  }
  return accept({ connector: connector.value, driver, project: project.value })
}

async function placeOf(context: BrokerContext, { connector, driver, project }: Ends): Promise<ImportPlace> {
  const rows = await listAttachments(context.db, { connectorIds: [connector.id], projectId: project.id })
  const attachments = new Map(rows.map((row) => [row.environment, row]))
  return { connector, driver, attachments, now: context.now() }
}

/** The id of the grant that a token became. */
async function importOne(
  context: BrokerContext,
  place: ImportPlace,
  token: unknown,
): Promise<Outcome<string>> {
  const grant = importedGrant(token, place)
  if (!grant.ok) return grant
  const id = await keep(context, grant.value)
  return id === undefined
    ? refuse({ reason: 'conflict', message: 'The attachment was changed meanwhile: try again' })
    : accept(id)
}

/** Undefined when somebody else changed the attachment, or made the same grant, at this moment. */
async function keep(context: BrokerContext, grant: ImportedGrant): Promise<string | undefined> {
  const { attachment, key, credential } = grant
  const keyed = {
    connector_id: key.connectorId,
    owner: key.owner,
    kind: key.kind,
    issuer: key.issuer,
    user_id: key.userId,
    installation_id: key.installationId,
  }
  try {
    return await context.db.transaction().execute((transaction) =>
      keepGrant(transaction, attachment.id, {
        key,
        projectId: attachment.project_id,
        environment: attachment.environment,
        identity: grant.identity,
        scopes: grant.scopes,
        refreshable: grant.refreshable,
        accessExpiresAt: credential.accessExpiresAtMs,
        now: context.now(),
        seal: (place) => sealCredential(context.keyRing, { ...keyed, ...place }, credential),
      }),
    )
  } catch (error) {
    // Integrity constraints (SQLSTATE class 23): the grant's unique index, or a connector removed meanwhile.
    if (!/^23...$/.test(errorCode(error) ?? '')) throw error
    return undefined
  }
}

function describeOutcome(outcome: Outcome<string>): ImportTokensResponse['tokens'][number] {
  if (outcome.ok) return { succeeded: true }
  const { code, message } = answerFor(outcome.refusal)
  return { succeeded: false, error: { code, message } }
}
