import type { Handler } from 'hono'
import { actorOf } from '../audit/actor.ts'
import { auditReference } from '../audit/reference.ts'
import { authenticate, bearerCredential, requireRole } from '../authenticate/authenticate.ts'
import type { Caller, Role } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal } from '../refusal.ts'
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
    const outcome = await call.run({ context, caller: caller.value, exchange, body: body.value })
    if (outcome instanceof Response) return outcome
    if (!outcome.ok) {
      // A read that finds nothing is an answer, not an attempt at anything.
      return call.recorded ? refuseAudited(outcome.refusal) : sendRefusal(exchange, outcome.refusal)
    }
    if (call.recorded) {
      await context.audit.append({
        ...about,
        kind: 'management_done',
        details: { ...details, ...resultOf(outcome.value) },
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

/** The few members of a result that say what became of it and are never secret. */
function resultOf(result: object): Record<string, unknown> {
  const named: Record<string, unknown> = {}
  for (const key of [
    'id',
    'uid',
    'name',
    'service',
    'environment',
    'environments',
    'enabledEnvironments',
    'role',
  ]) {
    const value: unknown = Reflect.get(result, key)
    if (value !== undefined) named[key] = value
  }
  return named
}
