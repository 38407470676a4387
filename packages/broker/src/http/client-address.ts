import ipaddr from 'ipaddr.js'
import type { Exchange } from './exchange.ts'

/**
 * The address that a request came from, where the server tells it.
 *
 * Behind a proxy (a peer without a public address) it is the last entry of `X-Forwarded-For`, the one which that proxy
 * wrote itself; those before it are the client's own word. It is for limits only: nothing is allowed because of it.
 */
export function clientAddress(exchange: Exchange): string | undefined {
  const peer = member(member(member(exchange.env, 'incoming'), 'socket'), 'remoteAddress')
  if (typeof peer !== 'string') return undefined
  const forwarded = exchange.req.header('x-forwarded-for')?.split(',').at(-1)?.trim()
  const behindProxy = ipaddr.isValid(peer) && ipaddr.process(peer).range() !== 'unicast'
  return behindProxy && forwarded !== undefined && ipaddr.isValid(forwarded) ? forwarded : peer
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
