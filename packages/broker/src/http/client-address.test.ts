import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { clientAddress } from './client-address.ts'
import type { Environment } from './exchange.ts'

async function addressOf(peer: unknown, forwarded?: string): Promise<string> {
  const app = new Hono<Environment>()
  app.get('/', (exchange) => exchange.text(clientAddress(exchange) ?? 'unknown'))
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  const env = peer === undefined ? undefined : { incoming: { socket: { remoteAddress: peer } } }
  return (await app.request('/', { headers }, env)).text()
}

it.each([
  ['the peer, where it is public', '203.0.113.7', undefined, '203.0.113.7'],
  ['the peer, whatever a public one says of others', '8.8.8.8', '198.51.100.1', '8.8.8.8'],
  ['what the nearest proxy wrote, not what the client did', '10.0.0.2', '6.6.6.6, 8.8.4.4', '8.8.4.4'],
  ['the proxy itself, where it wrote nothing that is an address', '10.0.0.2', 'unknown', '10.0.0.2'],
  ['the proxy behind a mapped address', '::ffff:127.0.0.1', '8.8.4.4', '8.8.4.4'],
  ['unknown, where the server does not tell', undefined, '8.8.4.4', 'unknown'],
])('is %s', async (_what, peer, forwarded, expected) => {
  expect(await addressOf(peer, forwarded)).toBe(expected)
})
