import type { Hono } from 'hono'
import { bearerCredential } from '../authenticate/authenticate.ts'
import { answerBegin } from '../consent/answer-begin.ts'
import { answerComplete, answerStatus } from '../consent/answer-request.ts'
import { type Environment, type Exchange, pathParameter, readJson, send } from './exchange.ts'

/** What a workload calls to have somebody consent. */
export function addConsentApiRoutes(app: Hono<Environment>): void {
  for (const kind of ['authorize', 'install'] as const) {
    app.post(`/v1/connect/${kind}/:connector`, async (exchange) => {
      const incoming = { kind, ...caller(exchange), connector: pathParameter(exchange, 'connector') }
      const body = await readJson(exchange)
      return send(exchange, await answerBegin(exchange.get('broker'), { ...incoming, body }))
    })
  }

  app.post('/v1/connect/requests/:request/status', async (exchange) => {
    const body = await readJson(exchange)
    const incoming = { ...caller(exchange), consentId: pathParameter(exchange, 'request'), body }
    return send(exchange, await answerStatus(exchange.get('broker'), incoming))
  })

  app.post('/v1/connect/requests/:request/complete', async (exchange) => {
    const body = await readJson(exchange)
    const incoming = { ...caller(exchange), consentId: pathParameter(exchange, 'request'), body }
    return send(exchange, await answerComplete(exchange.get('broker'), incoming))
  })
}

function caller(exchange: Exchange): { readonly requestId: string; readonly credential: string | undefined } {
  return {
    requestId: exchange.get('requestId'),
    credential: bearerCredential(exchange.req.header('authorization')),
  }
}
