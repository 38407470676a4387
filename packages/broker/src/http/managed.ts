import type { Handler } from 'hono'
import { actorOf } from '../audit/actor.ts'
import { auditReference } from '../audit/reference.ts'
import { authenticate, bearerCredential, requireRole } from '../authenticate/authenticate.ts'
import type { Caller, Role } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { errorCode } from '../store/database-unreachable.ts'
import { type Environment, type Exchange, readJson, send, sendRefusal } from './exchange.ts'

/** One management call: who may make it, how the audit trail names it, what it does. */
export interface ManagedCall {
  /** Absent: whoever is authenticated. */
  readonly role?: Role
  /** `noun.verb`. */
  readonly action: string
  /** It has a body, and its intent and outcome are recorded. Of the others only refusals are. */
  readonly recorded: boolean
  readonly status?: 200 | 201
  readonly run: (call: {
    readonly context: BrokerContext
    readonly caller: Caller
    readonly exchange: Exchange
    readonly body: unknown
  }) => Promise<Outcome<object> | Response> | Outcome<object> | Response
}

/**
 * Wraps a management call: authenticate, check the role, record the intent, do it, record the outcome, answer.
 *
 * The intent is committed first, so that a change whose outcome could not be recorded has left a trace all the same.
 */
export function managed(call: ManagedCall): Handler<Environment> {
  return async (exchange) => {
    const context = exchange.get('broker')
    const caller = await authenticate(context, bearerCredential(exchange.req.header('authorization')))
    if (!caller.ok) {
      context.audit.countAnonymous(caller.refusal.reason)
      return sendRefusal(exchange, caller.refusal)
    }
    const about = {
      requestId: exchange.get('requestId'),
      actor: actorOf(caller.value),
      action: call.action,
      ...(caller.value.kind === 'workload'
        ? { projectId: caller.value.projectId, environment: caller.value.environment }
        : {}),
    }
    const details = targetOf(exchange)
    const refuseAudited = async (refusal: Refusal) => {
      await context.audit.append({
        ...about,
        kind: 'management_refused',
        code: answerFor(refusal).code,
        reason: refusal.reason,
        details,
      })
      return sendRefusal(exchange, refusal)
    }

    const allowed = call.role === undefined ? caller : requireRole(caller.value, call.role)
    if (!allowed.ok) return refuseAudited(allowed.refusal)
    const body = call.recorded ? await readJson(exchange, { optional: true }) : accept({})
    if (!body.ok) return refuseAudited(body.refusal)

    if (call.recorded) await context.audit.append({ ...about, kind: 'management_intended', details })
    const outcome = await conflictsRefused(() =>
      call.run({ context, caller: caller.value, exchange, body: body.value }),
    )
    if (outcome instanceof Response) {
      if (call.recorded) await context.audit.append({ ...about, kind: 'management_done', details })
      return outcome
    }
    if (!outcome.ok) {
      // A read that finds nothing is an answer, not an attempt at anything.
      return call.recorded ? refuseAudited(outcome.refusal) : sendRefusal(exchange, outcome.refusal)
    }
    if (call.recorded) {
      await context.audit.append({
        ...about,
        ...placeOf(outcome.value),
        kind: 'management_done',
        details: { ...details, ...resultOf(outcome.value), ...changedFields(body.value) },
      })
    }
    return send(exchange, outcome, call.status ?? 200)
  }
}

/** What a call was about, from its path: names and ids, never the body, which may hold secrets. */
function targetOf(exchange: Exchange): Record<string, string> {
  return Object.fromEntries(
    Object.entries(exchange.req.param()).map(([name, value]) => [name, auditReference(name, String(value))]),
  )
}

/** Members of results that say what became of something, and are never secret. */
const toldOfResults = [
  'id',
  'uid',
  'name',
  'service',
  'project',
  'environment',
  'environments',
  'enabledEnvironments',
  'attachments',
  'issuer',
  'audience',
  'claims',
  'refuse',
  'maxAgeSeconds',
  'role',
  'expiresAt',
] as const

function resultOf(result: object): Record<string, unknown> {
  return Object.fromEntries(
    toldOfResults.flatMap((name) => {
      const value: unknown = Reflect.get(result, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** The project and connector that a result is about, so that the trail can be listed by them. */
function placeOf(result: object): { readonly projectId?: string; readonly connectorId?: string } {
  const id: unknown = Reflect.get(result, 'id')
  const connectorId: unknown = Reflect.get(result, 'connectorId') ?? id
  const project: unknown = Reflect.get(result, 'project')
  const projectId: unknown = typeof project === 'object' && project !== null ? Reflect.get(project, 'id') : id
  return {
    ...(typeof projectId === 'string' && projectId.startsWith('prj_') ? { projectId } : {}),
    ...(typeof connectorId === 'string' && connectorId.startsWith('scl_') ? { connectorId } : {}),
  }
}

/** Which settings were given, by name: their values may be secrets. */
function changedFields(body: unknown): { readonly fields?: readonly string[] } {
  const data: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'data') : undefined
  return typeof data === 'object' && data !== null
    ? { fields: Object.keys(data).map((name) => name.slice(0, 64)) }
    : {}
}

/** A row that somebody else removed or made at the same moment (SQLSTATE class 23) is a conflict, not a defect. */
async function conflictsRefused<Result>(
  work: () => Promise<Result> | Result,
): Promise<Result | ReturnType<typeof refuse>> {
  try {
    return await work()
  } catch (error) {
    if (!/^23...$/.test(errorCode(error) ?? '')) throw error
    return refuse({ reason: 'conflict', message: 'Somebody changed this at the same moment: look again' })
  }
}
