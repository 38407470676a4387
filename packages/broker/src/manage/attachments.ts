import { type Driver, InvalidSettings } from '@valetkey/connectors'
import type { AuthorizationDetail } from '@valetkey/protocol'
import { z } from 'zod'
import { knowsDetail } from '../authorize/effective-request.ts'
import { whyNotRedirectUri } from '../consent/redirect-uri.ts'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import {
  attach,
  type Ceiling,
  type ConsentRules,
  detach,
  listAttachments,
  type NamedAttachment,
} from '../store/attachments.ts'
import type { ConnectorRow, ProjectRow } from '../store/schema.ts'
import { connectorOf } from './connectors.ts'
import { environmentSchema, parseInput } from './input.ts'
import { projectOf } from './projects.ts'

const values = z.array(z.string().min(1).max(2048)).min(1).max(100)

const newAttachment = z.strictObject({
  environments: z.array(environmentSchema).min(1).max(50),
  merge: z.boolean().optional(),
  subjects: z
    .array(z.enum(['app', 'user', 'jwt-bearer', 'token']))
    .min(1)
    .max(4)
    .optional(),
  scopes: values.optional(),
  resources: values.optional(),
  authorizationDetails: z
    .array(z.looseObject({ type: z.string().min(1) }))
    .min(1)
    .max(100)
    .optional(),
  maxTtlSeconds: z.number().int().min(60).max(86_400).optional(),
  fullAccess: z.boolean().optional(),
  userNamespace: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, ".", "_" and "-", at most 64')
    .nullable()
    .optional(),
  redirectUris: z.array(z.string().max(2048)).min(1).max(20).optional(),
  dangerouslyBindOnConsent: z.boolean().optional(),
})

/** Attachments of one connector and project, as the wire shows them. */
function describeAttachments(
  connector: ConnectorRow,
  project: Pick<ProjectRow, 'id' | 'name'>,
  attachments: readonly NamedAttachment[],
): object {
  return {
    connectorId: connector.id,
    uid: connector.uid,
    project: { id: project.id, name: project.name },
    enabledEnvironments: attachments.map((attachment) => attachment.environment),
    attachments: attachments.map((attachment) => ({
      id: attachment.id,
      environment: attachment.environment,
      subjects: attachment.subjects,
      scopes: attachment.scopes,
      resources: attachment.resources,
      authorizationDetails: attachment.authorization_details,
      maxTtlSeconds: attachment.max_ttl_seconds,
      fullAccess: attachment.full_access,
      userNamespace: attachment.user_namespace,
      redirectUris: attachment.redirect_uris,
      dangerouslyBindOnConsent: attachment.bind_on_consent,
      createdAt: attachment.created_at,
      updatedAt: attachment.updated_at,
    })),
    createdAt: Math.min(...attachments.map((attachment) => attachment.created_at)),
    updatedAt: Math.max(...attachments.map((attachment) => attachment.updated_at)),
  }
}

async function ends(
  context: BrokerContext,
  connector: string,
  project: string,
): Promise<Outcome<{ connector: ConnectorRow; project: ProjectRow }>> {
  const connectorRow = await connectorOf(context, connector)
  if (!connectorRow.ok) return connectorRow
  const projectRow = await projectOf(context, project)
  if (!projectRow.ok) return projectRow
  return accept({ connector: connectorRow.value, project: projectRow.value })
}

export async function attachConnector(
  context: BrokerContext,
  connectorReference: string,
  projectReference: string,
  body: unknown,
): Promise<Outcome<object>> {
  const input = parseInput(newAttachment, body)
  if (!input.ok) return input
  const found = await ends(context, connectorReference, projectReference)
  if (!found.ok) return found
  const { connector, project } = found.value
  const driver = context.findDriver(connector.service)
  if (driver === undefined)
    return refuse({ reason: 'unavailable', message: 'This broker has no driver for this connector' })
  const ceiling = ceilingFrom(input.value, driver)
  if (!ceiling.ok) return ceiling
  const consent = consentRulesFrom(input.value, driver)
  if (!consent.ok) return consent
  const environments = [...new Set(input.value.environments)]
  if (consent.value.redirectUris.length > 0 && environments.length > 1) {
    const message =
      'redirectUris: a redirect URI says which environment asks: attach one environment at a time'
    return refuse({ reason: 'request_invalid', message })
  }
  await attach(context.db, {
    connectorId: connector.id,
    projectId: project.id,
    environments,
    replace: input.value.merge !== true,
    ceiling: ceiling.value,
    consent: consent.value,
    now: context.now(),
  })
  const rows = await listAttachments(context.db, { connectorIds: [connector.id], projectId: project.id })
  return accept({
    ...describeAttachments(connector, project, rows),
    warnings: [
      ...warningsFor(driver, ceiling.value, environments),
      ...(consent.value.bindOnConsent ? [bindOnConsentWarning] : []),
    ],
  })
}

export async function readAttachments(
  context: BrokerContext,
  connectorReference: string,
  projectReference: string,
): Promise<Outcome<object>> {
  const found = await ends(context, connectorReference, projectReference)
  if (!found.ok) return found
  const { connector, project } = found.value
  const rows = await listAttachments(context.db, { connectorIds: [connector.id], projectId: project.id })
  if (rows.length === 0)
    return refuse({ reason: 'not_found', what: 'attachment of this connector to this project' })
  return accept(describeAttachments(connector, project, rows))
}

export async function listAttachedProjects(
  context: BrokerContext,
  connectorReference: string,
): Promise<Outcome<object>> {
  const connector = await connectorOf(context, connectorReference)
  if (!connector.ok) return connector
  const rows = await listAttachments(context.db, { connectorIds: [connector.value.id] })
  const names = new Map(rows.map((row) => [row.project_id, row.project_name]))
  return accept({
    projects: [...names].map(([id, name]) =>
      describeAttachments(
        connector.value,
        { id, name },
        rows.filter((row) => row.project_id === id),
      ),
    ),
  })
}

export async function detachConnector(
  context: BrokerContext,
  connectorReference: string,
  projectReference: string,
  environments: readonly string[],
): Promise<Outcome<object>> {
  const found = await ends(context, connectorReference, projectReference)
  if (!found.ok) return found
  const { connector, project } = found.value
  const detached = await detach(context.db, {
    connectorId: connector.id,
    projectId: project.id,
    environments,
    now: context.now(),
  })
  if (detached.length === 0) return refuse({ reason: 'not_found', what: 'such attachment' })
  return accept({
    connectorId: connector.id,
    uid: connector.uid,
    project: { id: project.id, name: project.name },
    environments: detached,
    detached: true,
  })
}

/** A ceiling limits only what the driver understands: one that can't hold would be a promise nobody keeps. */
function ceilingFrom(input: z.output<typeof newAttachment>, driver: Driver): Outcome<Ceiling> {
  const { narrows, subjects } = driver.behaviour
  const invalid = (message: string) => refuse({ reason: 'request_invalid', message })
  const unknownSubject = input.subjects?.find((subject) => !subjects.includes(subject))
  if (unknownSubject !== undefined) {
    return invalid(`subjects: a ${driver.service} connector issues no tokens for "${unknownSubject}"`)
  }
  if (input.scopes !== undefined && !narrows.scopes)
    return invalid(`scopes: not something ${driver.service} knows`)
  if (input.scopes?.includes('*')) return invalid('scopes: leave them out instead of "*"')
  if (input.resources !== undefined && !narrows.resources) {
    return invalid(`resources: not something ${driver.service} knows`)
  }
  const details: AuthorizationDetail[] = []
  for (const detail of input.authorizationDetails ?? []) {
    if (!knowsDetail(driver, detail.type)) {
      return invalid(`authorizationDetails: ${driver.service} knows no type "${detail.type.slice(0, 64)}"`)
    }
    try {
      details.push(driver.normalizeDetail(detail))
    } catch (error) {
      if (error instanceof InvalidSettings) return invalid(error.message)
      throw error
    }
  }
  return accept({
    subjects: input.subjects ?? null,
    scopes: input.scopes ?? null,
    resources: input.resources ?? null,
    authorizationDetails: input.authorizationDetails === undefined ? null : details,
    maxTtlSeconds: input.maxTtlSeconds ?? null,
    fullAccess: input.fullAccess ?? false,
  })
}

const bindOnConsentWarning =
  'Consent alone will activate a grant: whoever can make somebody else consent to a link of theirs gets a token for that account. Use it only for clients that can not complete.'

/** Rules that the driver can't serve would be promises nobody keeps. */
function consentRulesFrom(input: z.output<typeof newAttachment>, driver: Driver): Outcome<ConsentRules> {
  const invalid = (message: string) => refuse({ reason: 'request_invalid', message })
  const { userNamespace, redirectUris, dangerouslyBindOnConsent } = input
  const given =
    typeof userNamespace === 'string' || redirectUris !== undefined || dangerouslyBindOnConsent === true
  if (given && driver.consent === undefined) {
    return invalid(
      `userNamespace, redirectUris, dangerouslyBindOnConsent: a ${driver.service} connector asks nobody for consent`,
    )
  }
  for (const uri of redirectUris ?? []) {
    const fault = whyNotRedirectUri(uri)
    if (fault !== undefined) return invalid(`redirectUris: ${fault}`)
  }
  return accept({
    ...(userNamespace === undefined ? {} : { userNamespace }),
    redirectUris: [...new Set(redirectUris ?? [])],
    bindOnConsent: dangerouslyBindOnConsent ?? false,
  })
}

function warningsFor(driver: Driver, ceiling: Ceiling, environments: readonly string[]): readonly string[] {
  const warnings: string[] = []
  if (driver.behaviour.standing) {
    warnings.push(
      `${driver.title} knows no expiry for this credential: a token is a lease of at most an hour, and whoever keeps a copy can use it until the credential is changed at the provider.`,
    )
  }
  if (ceiling.maxTtlSeconds !== null && !driver.behaviour.revokesTokens) {
    warnings.push(
      `${driver.title} has no call to end a token early: --max-ttl-seconds limits the lease, not the credential.`,
    )
  }
  const narrowable = driver.isFullAccess([])
  if (narrowable && ceiling.authorizationDetails === null) {
    warnings.push(
      environments.includes('production') && !ceiling.fullAccess
        ? 'There is no ceiling: in production each request must narrow itself with authorizationDetails.'
        : 'There is no ceiling: a request may ask for everything the app can reach.',
    )
  }
  return warnings
}
