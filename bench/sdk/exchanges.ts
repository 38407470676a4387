import { createClient } from '@valetkey/sdk'
import { type Bench, type BenchRow, isMain, runAlone } from '../result.ts'

/** A client whose issuing point answers after a moment, and how often it was asked. */
function countedClient(): { client: ReturnType<typeof createClient>; exchanges: () => number } {
  let exchanges = 0
  const client = createClient({
    url: 'https://broker.example',
    identity: 'bench',
    fetch: async () => {
      exchanges++
      await new Promise((resolve) => setTimeout(resolve, 5))
      return Response.json({
        token: `token-${exchanges}`,
        expiresAt: Date.now() + 3_600_000,
        connector: { id: 'scl_1', uid: 'slack/mybot', type: 'slack' },
      })
    },
  })
  return { client, exchanges: () => exchanges }
}

function row(workload: string, exchanges: number, wanted: number): BenchRow {
  return { workload, figure: `${exchanges} exchanges`, bar: `= ${wanted}`, met: exchanges === wanted }
}

export const exchangesBench: Bench = {
  name: 'exchanges',
  async run(): Promise<BenchRow[]> {
    const cold = countedClient()
    const params = () => ({ subject: { type: 'app' as const } })
    await Promise.all(Array.from({ length: 1000 }, () => cold.client.getToken('slack/mybot', params())))

    const users = countedClient()
    for (let round = 0; round < 5; round++)
      await Promise.all(
        Array.from({ length: 1000 }, (_, index) =>
          users.client.getToken('slack/mybot', { subject: { type: 'user', id: `user_${index}` } }),
        ),
      )

    const orders = countedClient()
    const subject = { type: 'user' as const, id: 'user_1' }
    const variants = [
      { subject, scopes: ['chat:write', 'channels:read', 'users:read'], resources: ['a', 'b'] },
      { resources: ['b', 'a'], scopes: ['users:read', 'chat:write', 'channels:read'], subject },
      { scopes: ['channels:read', 'users:read', 'chat:write', 'chat:write'], subject, resources: ['a', 'b'] },
    ]
    for (const variant of [...variants, ...variants]) await orders.client.getToken('slack/mybot', variant)

    return [
      row('1,000 concurrent cold calls for one token', cold.exchanges(), 1),
      row('1,000 users, 5 rounds', users.exchanges(), 1000),
      row('one request, its fields and scopes in other orders', orders.exchanges(), 1),
    ]
  },
}

if (isMain(import.meta.url)) await runAlone(exchangesBench)
