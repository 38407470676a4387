import { metrics, ProxyTracerProvider, trace } from '@opentelemetry/api'
import { createClient } from '@valetkey/sdk'
import { type Bench, type BenchRow, isMain, median, runAlone } from '../result.ts'

const rounds = 41
const callsARound = 20_000

const answer = {
  token: 'provider-token',
  tokenId: 'stk_1',
  expiresAt: Date.now() + 12 * 3_600_000,
  connector: { id: 'scl_1', uid: 'slack/mybot', type: 'slack' },
}

const params = { subject: { type: 'app' } } as const

/** What an application has that loads OpenTelemetry and switches it off: a provider whose spans go nowhere. */
const disabled = new ProxyTracerProvider()

export const telemetryBench: Bench = {
  name: 'telemetry',
  async run(): Promise<BenchRow[]> {
    const client = createClient({
      url: 'https://broker.example',
      identity: 'an-identity',
      fetch: () => Promise.resolve(Response.json(answer)),
    })
    const measure = async (isPresent: boolean): Promise<number> => {
      trace.disable()
      metrics.disable()
      if (isPresent) trace.setGlobalTracerProvider(disabled)
      // Whether there is telemetry is looked at with each exchange.
      await client.getToken('slack/mybot', params, { forceRefresh: true })
      const started = process.hrtime.bigint()
      for (let index = 0; index < callsARound; index++) await client.getToken('slack/mybot', params)
      return Number(process.hrtime.bigint() - started) / callsARound
    }
    const ratios: number[] = []
    for (let round = -5; round < rounds; round++) {
      // Each goes first in every other round: the second of two has a warmer machine.
      const first = await measure(round % 2 === 0)
      const second = await measure(round % 2 !== 0)
      if (round >= 0) ratios.push(round % 2 === 0 ? first / second : second / first)
    }
    const ratio = median(ratios)
    return [
      {
        workload: 'cached call: OpenTelemetry present and disabled ÷ absent',
        figure: ratio.toFixed(3),
        bar: '<= 1.05',
        met: ratio <= 1.05,
      },
    ]
  },
}

if (isMain(import.meta.url)) await runAlone(telemetryBench)
