import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { type Environment, maxBodyBytes, sendRefusal } from './exchange.ts'

const limitUnknownLength: MiddlewareHandler<Environment> = bodyLimit({
  maxSize: maxBodyBytes,
  // hono types the handler's context without our variables; it is the very same object.
  onError: (exchange) => sendRefusal(exchange as never, { reason: 'body_too_large' }),
})

/**
 * Refuses bodies of more than 64 KiB. A declared length is believed, because the HTTP server reads no further than it;
 * only a body without one has to be counted, which costs a stream and a request object of its own.
 */
export const limitBody: MiddlewareHandler<Environment> = async (exchange, next) => {
  const declared = exchange.req.header('content-length')
  if (declared === undefined || exchange.req.header('transfer-encoding') !== undefined) {
    return limitUnknownLength(exchange, next)
  }
  if (Number(declared) > maxBodyBytes) return sendRefusal(exchange, { reason: 'body_too_large' })
  await next()
  return undefined
}
