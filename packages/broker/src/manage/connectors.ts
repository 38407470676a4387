import { type ConnectorSettings, type Driver, InvalidSettings } from '@valetkey/connectors'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import type { BrokerContext } from '../context.ts'
import { openSettings, sealSecrets } from '../issue/connector-settings.ts'
import { providerAccess, refusalOfFault } from '../issue/provider-call.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { listAttachments, type NamedAttachment } from '../store/attachments.ts'
import * as store from '../store/connectors.ts'
import { newId } from '../store/ids.ts'
import type { ConnectorRow } from '../store/schema.ts'
import { nameSchema, parseInput, parsePage } from './input.ts'
import { projectOf } from './projects.ts'

/** UIDs of other systems' ids and namespaces would be ambiguous, on the wire and for people who move. */
const uidSchema = z
  .string()
  .max(128)
  .regex(
    /^[^\s%#/\p{Cc}]+\/[^\s%#/\p{Cc}]+$/u,
    'service/name, without spaces, "%", "#" or control characters',
  )
  .refine((uid) => !/^(?:scl_|sca_|store_|ir_|vc\/)/.test(uid), 'begins with a reserved prefix')

const newConnector = z.strictObject({
  service: z.string().min(1).max(64),
  name: nameSchema,
  uid: uidSchema.optional(),
  data: z.record(z.string(), z.unknown()),
})

const changedConnector = z.strictObject({
  name: nameSchema.optional(),
  uid: uidSchema.optional(),
  data: z.record(z.string(), z.unknown()).optional(),
})

const changedMeanwhile = 'The connector was changed by someone else meanwhile: read it and try again'

/** A connector by id or UID, or the refusal that it does not exist. For operators, who may know. */
export async function connectorOf(context: BrokerContext, reference: string): Promise<Outcome<ConnectorRow>> {
  const row = await store.findConnector(context.db, reference)
  return row === undefined ? refuse({ reason: 'not_found', what: 'such connector' }) : accept(row)
}

/** What an attached workload may see. */
export function describeConnector(context: BrokerContext, row: ConnectorRow): object {
  const clientUrl = context.findDriver(row.service)?.clientUrl(row.configuration)
  return {
    id: row.id,
    uid: row.uid,
    name: row.name,
    type: row.type,
    service: row.service,
    ...(clientUrl === undefined ? {} : { clientUrl }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    data: row.configuration,
  }
}

function describeForOperator(
  context: BrokerContext,
  row: ConnectorRow,
  attachments: readonly NamedAttachment[],
): object {
  const projects = new Map<string, { id: string; name: string; environments: string[] }>()
  for (const attachment of attachments) {
    if (attachment.connector_id !== row.id) continue
    const project = projects.get(attachment.project_id) ?? {
      id: attachment.project_id,
      name: attachment.project_name,
      environments: [],
    }
    project.environments.push(attachment.environment)
    projects.set(attachment.project_id, project)
  }
  const driver = context.findDriver(row.service)
  return {
    ...describeConnector(context, row),
    supportedSubjectTypes: driver?.subjectsOf?.(row.configuration) ?? driver?.behaviour.subjects ?? [],
    supportsRevocation:
      driver?.behaviour.revokesTokens === true ||
      driver?.consent?.behaviour(row.configuration).endsGrants === true,
    projects: [...projects.values()],
  }
}

export async function createConnector(context: BrokerContext, body: unknown): Promise<Outcome<object>> {
  const input = parseInput(newConnector, body)
  if (!input.ok) return input
  const { service, name, data } = input.value
  const driver = context.findDriver(service)
  if (driver === undefined) {
    const known = context.drivers.map((each) => each.service).join(', ')
    return refuse({ reason: 'request_invalid', message: `service: unknown; this broker knows ${known}` })
  }
  const uid = input.value.uid ?? `${service}/${name}`
  // Before the provider is asked: a taken name should not cost a call.
  if ((await store.findConnector(context.db, uid)) !== undefined) return uidTaken(uid)
  const settings = await checkedSettings(context, driver, () => driver.parseSettings(data))
  if (!settings.ok) return settings
  const id = newId('scl')
  const row = await store.createConnector(context.db, {
    id,
    uid,
    name,
    service: driver.service,
    type: driver.type,
    configuration: settings.value.configuration,
    secrets: sealSecrets(context.keyRing, id, 1, settings.value.secrets),
    now: context.now(),
  })
  return row === undefined ? uidTaken(uid) : accept(describeForOperator(context, row, []))
}

export async function updateConnector(
  context: BrokerContext,
  reference: string,
  body: unknown,
): Promise<Outcome<object>> {
  const input = parseInput(changedConnector, body)
  if (!input.ok) return input
  const outcome = await tryUpdate(context, reference, input.value)
  // A key rotation re-wraps secrets without anyone having changed the connector: look again once.
  const again =
    !outcome.ok && outcome.refusal.reason === 'conflict' && outcome.refusal.message === changedMeanwhile
  return again ? tryUpdate(context, reference, input.value) : outcome
}

async function tryUpdate(
  context: BrokerContext,
  reference: string,
  input: z.output<typeof changedConnector>,
): Promise<Outcome<object>> {
  const current = await connectorOf(context, reference)
  if (!current.ok) return current
  const driver = context.findDriver(current.value.service)
  if (driver === undefined)
    return refuse({ reason: 'unavailable', message: 'This broker has no driver for this connector' })

  const settings =
    input.data === undefined ? undefined : await mergedSettings(context, driver, current.value, input.data)
  if (settings?.ok === false) return settings
  const row = await store.updateConnector(context.db, current.value, {
    ...(input.uid === undefined ? {} : { uid: input.uid }),
    ...(input.name === undefined ? {} : { name: input.name }),
    ...(settings === undefined ? {} : { settings: settings.value }),
    endsGrants: settings !== undefined && sendsElsewhere(driver, current.value, settings.value.configuration),
    now: context.now(),
  })
  const uid = input.uid ?? current.value.uid
  if (row === 'uid_taken') return uidTaken(uid)
  if (row === 'changed') {
    return refuse({
      reason: 'conflict',
      message: changedMeanwhile,
    })
  }
  return accept(
    describeForOperator(context, row, await listAttachments(context.db, { connectorIds: [row.id] })),
  )
}

/** Whether the credentials of grants would go to another place than the one their users agreed to. */
function sendsElsewhere(
  driver: Driver,
  current: ConnectorRow,
  configuration: Readonly<Record<string, unknown>>,
): boolean {
  const text = (value: unknown) => (value === undefined ? undefined : canonicalize(value))
  const places = driver.consent?.places ?? []
  return places.some((name) => text(current.configuration[name]) !== text(configuration[name]))
}

/** The settings as they will be, confirmed by the provider and sealed for the next version of the row. */
async function mergedSettings(
  context: BrokerContext,
  driver: Driver,
  current: ConnectorRow,
  data: Readonly<Record<string, unknown>>,
): Promise<Outcome<NonNullable<store.ConnectorChange['settings']>>> {
  const before = openSettings(context.keyRing, current)
  const after = await checkedSettings(context, driver, () => driver.mergeSettings(before, data))
  if (!after.ok) return after
  const version = current.version + 1
  const secrets = sealSecrets(context.keyRing, current.id, version, after.value.secrets)
  return accept({ configuration: after.value.configuration, secrets, version })
}

export async function listConnectors(
  context: BrokerContext,
  query: Readonly<Record<string, string | undefined>>,
): Promise<Outcome<object>> {
  const page = parsePage(query)
  if (!page.ok) return page
  let projectId: string | undefined
  if (query.projectId !== undefined) {
    const project = await projectOf(context, query.projectId)
    if (!project.ok) return project
    projectId = project.value.id
  }
  const { rows, cursor } = await store.listConnectors(
    context.db,
    {
      ...(query.search === undefined ? {} : { search: query.search }),
      ...(query.service === undefined ? {} : { service: query.service }),
      ...(query.type === undefined ? {} : { type: query.type }),
      ...(projectId === undefined ? {} : { projectId }),
    },
    page.value,
  )
  const attachments = await listAttachments(context.db, { connectorIds: rows.map((row) => row.id) })
  return accept({ clients: rows.map((row) => describeForOperator(context, row, attachments)), cursor })
}

export async function readConnector(context: BrokerContext, reference: string): Promise<Outcome<object>> {
  const connector = await connectorOf(context, reference)
  if (!connector.ok) return connector
  const attachments = await listAttachments(context.db, { connectorIds: [connector.value.id] })
  return accept(describeForOperator(context, connector.value, attachments))
}

export async function removeConnector(context: BrokerContext, reference: string): Promise<Outcome<object>> {
  const connector = await connectorOf(context, reference)
  if (!connector.ok) return connector
  await store.removeConnector(context.db, connector.value.id, context.now())
  return accept({ id: connector.value.id, uid: connector.value.uid, removed: true })
}

/** `GET /v1/connect/services/{service}` */
export function describeService(context: BrokerContext, service: string, schemas: boolean): Outcome<object> {
  const driver = context.findDriver(service)
  if (driver === undefined) return refuse({ reason: 'not_found', what: 'such service' })
  return accept({
    service: driver.service,
    name: driver.title,
    types: [
      {
        type: driver.type,
        encryptedFields: driver.secretFields,
        ...(schemas ? { createInputSchema: driver.dataSchema } : {}),
      },
    ],
  })
}

/** Parses settings and has the provider confirm them, before anything is stored. */
async function checkedSettings(
  context: BrokerContext,
  driver: Driver,
  parse: () => ConnectorSettings,
): Promise<Outcome<ConnectorSettings>> {
  try {
    const settings = parse()
    const { configuration } = await driver.check(settings, providerAccess(context))
    return accept({
      configuration: { ...settings.configuration, ...configuration },
      secrets: settings.secrets,
    })
  } catch (error) {
    if (error instanceof InvalidSettings) return refuse({ reason: 'request_invalid', message: error.message })
    return refuse(refusalOfFault(driver, error))
  }
}

function uidTaken(uid: string): Outcome<never> {
  return refuse({ reason: 'conflict', message: `A connector "${uid}" exists already` })
}
