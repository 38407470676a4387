import ipaddr from 'ipaddr.js'
import type { Exchange } from './exchange.ts'

/**
 * The address that a request came from, where the server tells it.
 *
 * It is the peer's, unless the broker was told that a proxy stands in front of it: then the last entry of
 * `X-Forwarded-For`, the one which that proxy wrote itself. Those before it are the client's own word, and so is the
 * whole header where nobody is known to write it. It is for limits only: nothing is allowed because of it.
 */
export function clientAddress(exchange: Exchange): string | undefined {
  const peer = member(member(member(exchange.env, 'incoming'), 'socket'), 'remoteAddress')
  if (typeof peer !== 'string') return undefined
  if (!exchange.get('broker').trustProxy) return peer
  const forwarded = exchange.req.header('x-forwarded-for')?.split(',').at(-1)?.trim()
  return forwarded !== undefined && ipaddr.isValid(forwarded) ? forwarded : peer
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
