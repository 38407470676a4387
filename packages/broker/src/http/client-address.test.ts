import { Hono } from 'hono'
import { expect, it } from 'vitest'
import type { BrokerContext } from '../context.ts'
import { clientAddress } from './client-address.ts'
import type { Environment } from './exchange.ts'

async function addressOf(trustProxy: boolean, peer: unknown, forwarded?: string): Promise<string> {
  const app = new Hono<Environment>()
  app.use(async (exchange, next) => {
    const broker: Pick<BrokerContext, 'trustProxy'> = { trustProxy }
    exchange.set('broker', broker as BrokerContext)
    await next()
  })
  app.get('/', (exchange) => exchange.text(clientAddress(exchange) ?? 'unknown'))
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  const env = peer === undefined ? undefined : { incoming: { socket: { remoteAddress: peer } } }
  return (await app.request('/', { headers }, env)).text()
}

it.each([
  ['a public peer', '203.0.113.7', undefined],
  ['a public peer, whatever it says', '8.8.8.8', '198.51.100.1'],
  ['a peer of the own network, which may be a client that writes the header itself', '10.0.0.2', '8.8.4.4'],
  ['a peer on the same machine', '127.0.0.1', '8.8.4.4'],
])('is the peer where no proxy is trusted: %s', async (_what, peer, forwarded) => {
  expect(await addressOf(false, peer, forwarded)).toBe(peer)
})

it.each([
  ['what the nearest proxy wrote, not what the client did', '10.0.0.2', '6.6.6.6, 8.8.4.4', '8.8.4.4'],
  ['the same behind a proxy with a public address', '203.0.113.7', '8.8.4.4', '8.8.4.4'],
  ['the proxy itself, where it wrote nothing that is an address', '10.0.0.2', 'unknown', '10.0.0.2'],
  ['the proxy itself, where it wrote nothing', '10.0.0.2', undefined, '10.0.0.2'],
  ['unknown, where the server does not tell', undefined, '8.8.4.4', 'unknown'],
])('is, behind a proxy that is trusted, %s', async (_what, peer, forwarded, expected) => {
  expect(await addressOf(true, peer, forwarded)).toBe(expected)
})
