import type { Hono } from 'hono'
import { actorOf } from '../audit/actor.ts'
import { auditReference } from '../audit/reference.ts'
import { authenticate, bearerCredential, requireRole } from '../authenticate/authenticate.ts'
import { answerTokenRequest } from '../issue/answer-token-request.ts'
import { answerRevokeRequest } from '../issue/revoke-tokens.ts'
import { describeConnector, readConnector } from '../manage/connectors.ts'
import { answerImportRequest } from '../manage/import-tokens.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { noToken, readAdmission } from '../store/admission.ts'
import { findConnector } from '../store/connectors.ts'
import { type Environment, type Exchange, pathParameter, readJson, send } from './exchange.ts'

/** What a workload calls. */
export function addRuntimeRoutes(app: Hono<Environment>): void {
  app.post('/v1/connect/token/:connector', async (exchange) => {
    const body = await readJson(exchange)
    return send(
      exchange,
      await answerTokenRequest(exchange.get('broker'), {
        requestId: exchange.get('requestId'),
        credential: bearerCredential(exchange.req.header('authorization')),
        connector: pathParameter(exchange, 'connector'),
        body,
      }),
    )
  })

  // Compatible wire, but for operators: see `answerImportRequest`.
  app.post('/v1/connect/token/:connector/import', async (exchange) => {
    const body = await readJson(exchange)
    return send(
      exchange,
      await answerImportRequest(exchange.get('broker'), {
        requestId: exchange.get('requestId'),
        credential: bearerCredential(exchange.req.header('authorization')),
        connector: pathParameter(exchange, 'connector'),
        body,
      }),
    )
  })

  app.delete('/v1/connect/connectors/:connector/tokens', async (exchange) => {
    const body = await readJson(exchange, { optional: true })
    return send(
      exchange,
      await answerRevokeRequest(exchange.get('broker'), {
        requestId: exchange.get('requestId'),
        credential: bearerCredential(exchange.req.header('authorization')),
        connector: pathParameter(exchange, 'connector'),
        body,
      }),
    )
  })

  // One path for two readers: operators see everything but secrets, workloads what is attached to them.
  app.get('/v1/connect/connectors/:connector', async (exchange) => send(exchange, await describeTo(exchange)))
}

async function describeTo(exchange: Exchange): Promise<Outcome<object>> {
  const context = exchange.get('broker')
  const reference = pathParameter(exchange, 'connector')
  const caller = await authenticate(context, bearerCredential(exchange.req.header('authorization')))
  if (!caller.ok) {
    context.audit.countAnonymous(caller.refusal.reason)
    return caller
  }
  if (caller.value.kind === 'operator') {
    const auditor = requireRole(caller.value, 'auditor')
    return auditor.ok ? readConnector(context, reference) : auditor
  }
  const { link } = await readAdmission(context.db, {
    projectId: caller.value.projectId,
    environment: caller.value.environment,
    connector: reference,
    ...noToken,
    now: context.now(),
  })
  const row = link === undefined ? undefined : await findConnector(context.db, link.connector.id)
  if (row !== undefined) return accept(describeConnector(context, row))
  const refusal: Refusal = { reason: 'connector_not_linked' }
  await context.audit.append({
    kind: 'management_refused',
    action: 'connector.read',
    requestId: exchange.get('requestId'),
    actor: actorOf(caller.value),
    projectId: caller.value.projectId,
    environment: caller.value.environment,
    code: answerFor(refusal).code,
    reason: refusal.reason,
    details: { connector: auditReference('connector', reference) },
  })
  return refuse(refusal)
}
