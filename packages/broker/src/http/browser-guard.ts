import type { MiddlewareHandler } from 'hono'
import { type Environment, sendRefusal } from './exchange.ts'

/**
 * Keeps web pages from driving the development broker, which listens where every page of the same machine's browser
 * can reach it.
 *
 * `Host` must be ours, or a page could rebind its own name to 127.0.0.1 and speak to us as same-origin. A foreign
 * `Origin`, or `Sec-Fetch-Site: cross-site`, is refused on everything but navigation, which carries no credential and
 * whose answer the page can't read. No CORS header is ever sent, and only the pages of consent read a cookie.
 */
export function browserGuard(publicUrl: string): MiddlewareHandler<Environment> {
  const url = new URL(publicUrl)
  const hosts = new Set(['127.0.0.1', 'localhost', '[::1]'].map((host) => `${host}:${url.port || '80'}`))
  hosts.add(url.host)
  if (url.port === '') for (const host of ['127.0.0.1', 'localhost', '[::1]']) hosts.add(host)
  const origins = new Set([...hosts].map((host) => `http://${host}`))

  return async (exchange, next) => {
    const { req } = exchange
    const host = req.header('host') ?? new URL(req.url).host
    if (!hosts.has(host.toLowerCase())) {
      return sendRefusal(exchange, {
        reason: 'request_invalid',
        message: `Host: the development broker answers to ${url.host} and localhost only`,
      })
    }
    const navigation = req.method === 'GET' && req.header('sec-fetch-mode') === 'navigate'
    const origin = req.header('origin')
    const site = req.header('sec-fetch-site')
    const foreign =
      (origin !== undefined && !origins.has(origin)) || site === 'cross-site' || site === 'same-site'
    if (foreign && !navigation) {
      return sendRefusal(exchange, {
        reason: 'request_invalid',
        message: 'The development broker takes no requests from pages of other origins',
      })
    }
    await next()
    return undefined
  }
}
