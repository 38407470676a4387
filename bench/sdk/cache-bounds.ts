import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createClient } from '@valetkey/sdk'
import { type Bench, type BenchRow, isMain, median, runAlone } from '../result.ts'

const users = 100_000
const batch = 1000

function instantClient(): { client: ReturnType<typeof createClient>; exchanges: () => number } {
  let exchanges = 0
  const answer = JSON.stringify({
    token: 'provider-token',
    expiresAt: Date.now() + 3_600_000,
    connector: { id: 'scl_1', uid: 'slack/mybot', type: 'slack' },
  })
  const client = createClient({
    url: 'https://broker.example',
    identity: 'bench',
    fetch: () => {
      exchanges++
      return Promise.resolve(new Response(answer))
    },
  })
  return { client, exchanges: () => exchanges }
}

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** Bytes in use after a collection. */
function heapUsed(): number {
  collect()
  return process.memoryUsage().heapUsed
}

async function manyUsers(): Promise<BenchRow[]> {
  const { client } = instantClient()
  const userOf = (index: number) => ({ subject: { type: 'user' as const, id: `user_${index}` } })
  const microseconds: number[] = []
  let heapWhenFull = 0
  for (let first = 0; first < users; first += batch) {
    const started = performance.now()
    for (let index = first; index < first + batch; index++)
      await client.getToken('slack/mybot', userOf(index))
    microseconds.push(((performance.now() - started) * 1000) / batch)
    if (first + batch === 20_000) heapWhenFull = heapUsed()
  }
  const filling = median(microseconds.slice(2, 10))
  const evicting = median(microseconds.slice(-50))
  const grown = (heapUsed() - heapWhenFull) / 1_048_576
  return [
    {
      workload: '100,000 users through a cache of 10,000: time per call, evicting ÷ filling',
      figure: `${(evicting / filling).toFixed(2)} (${evicting.toFixed(1)} µs ÷ ${filling.toFixed(1)} µs)`,
      bar: '<= 1.5',
      met: evicting / filling <= 1.5,
    },
    {
      workload: '100,000 users through a cache of 10,000: heap growth from 20,000 users on',
      figure: `${grown.toFixed(1)} MiB`,
      bar: '<= 16 MiB',
      met: grown <= 16,
    },
  ]
}

async function oneRevocation(): Promise<BenchRow[]> {
  const { client, exchanges } = instantClient()
  const userOf = (index: number) => ({ subject: { type: 'user' as const, id: `user_${index}` } })
  const cached = 1000
  for (let index = 0; index < cached; index++) await client.getToken('slack/mybot', userOf(index))
  await client.revokeToken('slack/mybot', userOf(0))
  const before = exchanges()
  for (let index = 1; index < cached; index++) await client.getToken('slack/mybot', userOf(index))
  const lost = exchanges() - before
  return [
    {
      workload: 'revoking one of 1,000 grants: other cached tokens lost',
      figure: `${lost}`,
      bar: '= 0',
      met: lost === 0,
    },
  ]
}

export const cacheBoundsBench: Bench = {
  name: 'cache bounds',
  run: async (): Promise<BenchRow[]> => [...(await oneRevocation()), ...(await manyUsers())],
}

if (isMain(import.meta.url)) await runAlone(cacheBoundsBench)
