import { z } from 'zod'
import type { BrokerContext } from '../context.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import * as store from '../store/projects.ts'
import type { ProjectRow, TrustRuleRow } from '../store/schema.ts'
import { environmentSchema, nameSchema, parseInput, parsePage } from './input.ts'
import { parseNewRule } from './trust-input.ts'

const newProject = z.strictObject({
  name: nameSchema.refine((name) => !name.startsWith('prj_'), 'must not begin with "prj_"'),
  allowDevelopmentIdentities: z.boolean().optional(),
})

const newDevelopmentIdentity = z.strictObject({
  environment: environmentSchema,
  ttlSeconds: z.number().int().min(60).max(43_200).optional(),
})

const defaultDevelopmentTtlSeconds = 43_200

function describeProject(row: ProjectRow) {
  return {
    id: row.id,
    name: row.name,
    allowDevelopmentIdentities: row.allow_development_identities,
    createdAt: row.created_at,
  }
}

function describeRule(row: TrustRuleRow, project: ProjectRow) {
  return {
    id: row.id,
    project: { id: project.id, name: project.name },
    environment: row.environment,
    issuer: row.issuer,
    audience: row.audience,
    claims: row.claims,
    refuse: row.refuse,
    maxAgeSeconds: row.max_age_seconds,
    createdAt: row.created_at,
  }
}

/** A project by id or name, or the refusal that it does not exist. For operators, who may know. */
export async function projectOf(context: BrokerContext, reference: string): Promise<Outcome<ProjectRow>> {
  const row = await store.findProject(context.db, reference)
  return row === undefined ? refuse({ reason: 'not_found', what: 'such project' }) : accept(row)
}

export async function createProject(context: BrokerContext, body: unknown): Promise<Outcome<object>> {
  const input = parseInput(newProject, body)
  if (!input.ok) return input
  const { name, allowDevelopmentIdentities } = input.value
  const row = await store.createProject(context.db, {
    name,
    // On a laptop the development issuer is the only identity there is; on a server it must be asked for.
    allowDevelopmentIdentities: allowDevelopmentIdentities ?? context.development,
    now: context.now(),
  })
  return row === undefined
    ? refuse({ reason: 'conflict', message: `A project named "${name}" exists already` })
    : accept(describeProject(row))
}

export async function listProjects(
  context: BrokerContext,
  query: Readonly<Record<string, string | undefined>>,
): Promise<Outcome<object>> {
  const page = parsePage(query)
  if (!page.ok) return page
  const { rows, cursor } = await store.listProjects(context.db, page.value)
  return accept({ projects: rows.map(describeProject), cursor })
}

export async function readProject(context: BrokerContext, reference: string): Promise<Outcome<object>> {
  const project = await projectOf(context, reference)
  return project.ok ? accept(describeProject(project.value)) : project
}

export async function removeProject(context: BrokerContext, reference: string): Promise<Outcome<object>> {
  const project = await projectOf(context, reference)
  if (!project.ok) return project
  await store.removeProject(context.db, project.value.id, context.now())
  return accept({ id: project.value.id, name: project.value.name, removed: true })
}

export async function addTrustRule(
  context: BrokerContext,
  reference: string,
  body: unknown,
): Promise<Outcome<object>> {
  const project = await projectOf(context, reference)
  if (!project.ok) return project
  const parsed = parseNewRule(context, body)
  if (!parsed.ok) return parsed
  const { rule, words, weaknesses } = parsed.value
  const row = await store.addTrustRule(context.db, {
    projectId: project.value.id,
    ...rule,
    now: context.now(),
  })
  return accept({ ...describeRule(row, project.value), words, weaknesses })
}

export async function listTrustRules(context: BrokerContext, reference: string): Promise<Outcome<object>> {
  const project = await projectOf(context, reference)
  if (!project.ok) return project
  const rows = await store.listTrustRules(context.db, project.value.id)
  return accept({
    rules: rows.map((row) => describeRule(row, project.value)),
    developmentIdentities: project.value.allow_development_identities,
  })
}

export async function removeTrustRule(
  context: BrokerContext,
  reference: string,
  ruleId: string,
): Promise<Outcome<object>> {
  const project = await projectOf(context, reference)
  if (!project.ok) return project
  const removed = await store.removeTrustRule(context.db, project.value.id, ruleId)
  return removed === undefined
    ? refuse({ reason: 'not_found', what: 'such trust rule in this project' })
    : accept({ ...describeRule(removed, project.value), removed: true })
}

/** What `valetkey env pull` stores: an identity of the development issuer. */
export async function mintDevelopmentIdentity(
  context: BrokerContext,
  reference: string,
  body: unknown,
): Promise<Outcome<object>> {
  const project = await projectOf(context, reference)
  if (!project.ok) return project
  const input = parseInput(newDevelopmentIdentity, body)
  if (!input.ok) return input
  const { environment, ttlSeconds } = input.value
  if (!project.value.allow_development_identities) {
    return refuse({
      reason: 'conflict',
      message: `Project "${project.value.name}" does not admit development identities: create it with --allow-development-identities`,
    })
  }
  // A server never lets a laptop pass for anything but development.
  if (!context.development && environment !== 'development') {
    return refuse({
      reason: 'request_invalid',
      message: 'environment: only "development" can be pulled from a server',
    })
  }
  const { token, expiresAtMs } = await context.developmentIssuer.mint({
    projectId: project.value.id,
    projectName: project.value.name,
    environment,
    ttlSeconds: ttlSeconds ?? defaultDevelopmentTtlSeconds,
  })
  return accept({
    token,
    expiresAt: expiresAtMs,
    environment,
    project: { id: project.value.id, name: project.value.name },
  })
}
