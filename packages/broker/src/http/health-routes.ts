import type { Hono } from 'hono'
import { sql } from 'kysely'
import type { BrokerContext } from '../context.ts'
import { describeDefect } from './defects.ts'
import type { Environment } from './exchange.ts'

/** How long `/readyz` waits for the database. */
const readinessTimeoutMs = 2_000

/** `/healthz`: the process answers. `/readyz`: it can issue. `/metrics`: Prometheus. None needs a credential. */
export function addHealthRoutes(app: Hono<Environment>, context: () => BrokerContext | undefined): void {
  app.get('/healthz', (exchange) => exchange.json({ status: 'ok' }))

  app.get('/readyz', async (exchange) => {
    const broker = context()
    if (broker === undefined) return exchange.json({ status: 'unready', reason: 'starting or stopping' }, 503)
    try {
      await withTimeout(sql`select 1`.execute(broker.db), readinessTimeoutMs)
      return exchange.json({ status: 'ready' })
    } catch (error) {
      broker.log('warn', 'not ready: the database does not answer', describeDefect(error))
      return exchange.json({ status: 'unready', reason: 'the database does not answer' }, 503)
    }
  })

  app.get('/metrics', async (exchange) => {
    const broker = context()
    if (broker === undefined) return exchange.text('', 503)
    const { contentType, text } = await broker.metrics.render()
    return exchange.body(text, 200, { 'content-type': contentType })
  })
}

async function withTimeout(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), ms)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
