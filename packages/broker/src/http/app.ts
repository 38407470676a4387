import { Hono } from 'hono'
import type { BrokerContext } from '../context.ts'
import type { Log } from '../log.ts'
import type { Tracing } from '../tracing.ts'
import { limitBody } from './body-limit.ts'
import { browserGuard } from './browser-guard.ts'
import { addConsentApiRoutes } from './consent-api-routes.ts'
import { addConsentRoutes } from './consent-routes.ts'
import { describeDefect, isPassing } from './defects.ts'
import { type Environment, newRequestId, sendRefusal } from './exchange.ts'
import { addHealthRoutes } from './health-routes.ts'
import { addManagementRoutes } from './management-routes.ts'
import { addOAuthRoutes } from './oauth-routes.ts'
import { addRuntimeRoutes } from './runtime-routes.ts'
import { addWellKnownRoutes } from './well-known-routes.ts'

function isProbe(path: string): boolean {
  return path === '/healthz' || path === '/readyz' || path === '/metrics'
}

/** The broker as one fetch handler. `context` is absent until it has started and once it has stopped. */
export function createApp(options: {
  readonly context: () => BrokerContext | undefined
  readonly log: Log
  readonly development: boolean
  readonly publicUrl: string
  readonly tracing: Tracing
}): Hono<Environment> {
  const app = new Hono<Environment>()

  app.use(async (exchange, next) => {
    const requestId = newRequestId()
    exchange.set('requestId', requestId)
    exchange.header('x-request-id', requestId)
    const started = performance.now()
    const answer = async () => {
      await next()
      const { method, routePath } = exchange.req
      return { method, route: routePath, status: exchange.res.status, requestId }
    }
    // Probes come every few seconds, and are nobody's call.
    if (isProbe(exchange.req.path)) await answer()
    else await options.tracing.request(exchange.req.raw.headers, answer)
    const seconds = (performance.now() - started) / 1000
    const { method, routePath } = exchange.req
    // Patterns, not paths: anyone could grow the metrics with paths, and people put credentials into them.
    options.context()?.metrics.httpAnswer(`${method} ${routePath}`, exchange.res.status, seconds)
    options.log('info', 'request', {
      requestId,
      method,
      route: routePath,
      status: exchange.res.status,
      ms: Math.round(seconds * 100_000) / 100,
    })
  })

  if (options.development) app.use(browserGuard(options.publicUrl))
  app.use(limitBody)

  addHealthRoutes(app, options.context)
  app.use(async (exchange, next) => {
    const context = options.context()
    if (context === undefined) {
      return sendRefusal(exchange, { reason: 'unavailable', message: 'The broker is starting or stopping' })
    }
    exchange.set('broker', context)
    await next()
    return undefined
  })
  addWellKnownRoutes(app)
  addOAuthRoutes(app)
  addRuntimeRoutes(app)
  addConsentApiRoutes(app)
  addConsentRoutes(app)
  addManagementRoutes(app)

  app.notFound((exchange) => sendRefusal(exchange, { reason: 'not_found', what: 'such route' }))
  app.onError((error, exchange) => {
    const requestId = exchange.get('requestId')
    const passing = isPassing(error)
    options.log(passing ? 'warn' : 'error', passing ? 'a dependency is away' : 'defect', {
      requestId,
      ...describeDefect(error),
    })
    return sendRefusal(exchange, {
      reason: 'unavailable',
      message: passing
        ? 'The database is not available at the moment: nothing was issued. Try again'
        : 'The broker could not serve this request. Its log has the details under the request id',
    })
  })
  return app
}
