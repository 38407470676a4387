import { afterAll, beforeAll, expect, it } from 'vitest'
import { verifyExport } from '../audit/verify-export.ts'
import type { BrokerContext } from '../context.ts'
import { type AssembledBroker, assembleBroker } from '../create-broker.ts'
import { generateKey } from '../secrets/key-ring.ts'
import { testDatabaseFolder } from '../store/test-database.ts'
import { exportTrail, pruneTrail, verifyTrail } from './audit.ts'

const folder = testDatabaseFolder()
let time = 1_795_292_400_000
let assembled: AssembledBroker
let context: BrokerContext
beforeAll(async () => {
  assembled = assembleBroker({
    publicUrl: 'https://broker.test',
    database: folder.database,
    keys: generateKey(Date.now()).text,
    now: () => time,
  })
  await assembled.broker.start()
  const started = assembled.context()
  if (started === undefined) throw new Error('not started')
  context = started
}, 60_000)
afterAll(async () => {
  await assembled.broker.close()
  folder.remove()
})

const owner = {
  actor: { type: 'operator', role: 'owner', accessTokenId: 'vat_1' },
  requestId: 'req_1',
} as const
const event = { kind: 'keys_rotated', actor: { type: 'host' } } as const
const append = (count: number) =>
  Promise.all(Array.from({ length: count }, () => context.audit.append(event)))

it.each([[{}], [{ before: -1 }], [{ before: '0' }], [{ before: 1.5 }], [{ before: 1, force: true }]])(
  'refuses the body %j',
  async (body) => {
    expect(await pruneTrail(context, owner, body)).toMatchObject({
      ok: false,
      refusal: { reason: 'request_invalid' },
    })
  },
)

it('refuses a time that is yet to come', async () => {
  expect(await pruneTrail(context, owner, { before: time + 1 })).toMatchObject({
    ok: false,
    refusal: { reason: 'request_invalid', message: 'before: must be in the past' },
  })
})

it('drops old events while somebody verifies, and both succeed', async () => {
  await append(4000)
  time += 90 * 86_400_000
  await append(1)
  const [verified, pruned] = await Promise.all([
    verifyTrail(context, {}),
    pruneTrail(context, owner, { before: time }),
  ])
  expect(pruned).toMatchObject({ ok: true, value: { dropped: 4001, chains: 1, anchor: expect.any(String) } })
  expect(verified).toMatchObject({ ok: true, value: { valid: true } })
  const checkpoints = [await context.audit.checkpoint()]
  const proven = { valid: true, tail: 'proven', dropped: 4001 }
  expect(await verifyTrail(context, { checkpoints })).toMatchObject({ ok: true, value: proven })
  expect(await verifyExport(exportTrail(context), { checkpoints })).toMatchObject(proven)
})

it('stops half way when told', async () => {
  const stop = AbortSignal.abort(new Error('stopping'))
  await expect(pruneTrail(context, owner, { before: time }, stop)).rejects.toThrow('stopping')
})
