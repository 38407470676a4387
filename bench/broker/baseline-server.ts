// The same server software doing the least that a token request must: one ES256 verification, one committed insert.
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { importJWK, jwtVerify } from 'jose'
import pg from 'pg'

const { DATABASE_URL, PUBLIC_JWK = '{}', AUDIENCE = '' } = process.env
const key = await importJWK(JSON.parse(PUBLIC_JWK), 'ES256')
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 })
await pool.query(
  'create table if not exists baseline (id bigint generated always as identity primary key, at bigint not null, body text not null)',
)

const app = new Hono()
app.post('/', async (exchange) => {
  const credential = exchange.req.header('authorization')?.slice('Bearer '.length) ?? ''
  const { payload } = await jwtVerify(credential, key, { audience: AUDIENCE })
  await exchange.req.json()
  await pool.query({
    name: 'insert',
    text: 'insert into baseline (at, body) values ($1, $2)',
    values: [Date.now(), JSON.stringify(payload)],
  })
  return exchange.json({ token: 'x'.repeat(400) })
})
const server = createAdaptorServer({ fetch: app.fetch })
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null)
    process.stdout.write(`ready http://127.0.0.1:${address.port}/\n`)
})
process.on('SIGTERM', () => process.exit(0))
