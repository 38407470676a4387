import { createClient } from '@valetkey/sdk'
import { type Bench, type BenchRow, isMain, quantile, runAlone } from '../result.ts'

const tokenLifeMs = 400
const exchangeMs = 20
const betweenCallsMs = 5
const durationMs = 6000

export const renewalBench: Bench = {
  name: 'renewal',
  async run(): Promise<BenchRow[]> {
    let serial = 0
    const client = createClient({
      url: 'https://broker.example',
      identity: 'bench',
      fetch: async () => {
        await new Promise((resolve) => setTimeout(resolve, exchangeMs))
        return Response.json({
          token: `token-${++serial}`,
          expiresAt: Date.now() + tokenLifeMs,
          connector: { id: 'scl_1', uid: 'slack/mybot', type: 'slack' },
        })
      },
    })
    const params = { subject: { type: 'app' }, validityBufferMs: 100 } as const
    await client.getToken('slack/mybot', params)
    const waits: number[] = []
    const calls: Promise<void>[] = []
    const end = performance.now() + durationMs
    while (performance.now() < end) {
      const started = performance.now()
      calls.push(
        client.getToken('slack/mybot', params).then(() => void waits.push(performance.now() - started)),
      )
      await new Promise((resolve) => setTimeout(resolve, betweenCallsMs))
    }
    await Promise.all(calls)
    const quick = waits.filter((wait) => wait < 10).length / waits.length
    return [
      {
        workload: `calls every ${betweenCallsMs} ms while tokens of ${tokenLifeMs} ms renew (exchange ${exchangeMs} ms)`,
        figure: `${(quick * 100).toFixed(2)} % under 10 ms, p99.5 ${quantile(waits, 0.995).toFixed(2)} ms, ${serial} tokens`,
        bar: '>= 99.5 % under 10 ms',
        met: quick >= 0.995 && serial > 10,
      },
    ]
  },
}

if (isMain(import.meta.url)) await runAlone(renewalBench)
