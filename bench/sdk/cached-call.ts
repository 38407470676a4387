import { type ConnectTokenParams, createClient, getToken } from '@valetkey/sdk'
import { getToken as publishedGetToken } from '@vercel/connect'
import { type Bench, type BenchRow, isMain, median, runAlone } from '../result.ts'

const rounds = 15
const callsARound = 30_000

const answer = {
  token: 'provider-token',
  tokenId: 'stk_1',
  expiresAt: Date.now() + 12 * 3_600_000,
  connector: { id: 'scl_1', uid: 'slack/mybot', type: 'slack' },
}

/** An unsigned JWT of the size that platforms give: the SDK reads its audience and expiry before it is sent. */
function identity(audience: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { aud: audience, exp: Math.floor(Date.now() / 1000) + 43_200, pad: 'x'.repeat(600) }
  return `${part({ alg: 'RS256' })}.${part(claims)}.${'s'.repeat(342)}`
}

interface Candidate {
  readonly name: string
  readonly call: (params: ConnectTokenParams) => Promise<string>
}

async function nanosecondsPerCall(
  candidate: Candidate,
  makeParams: () => ConnectTokenParams,
): Promise<number> {
  const started = process.hrtime.bigint()
  for (let index = 0; index < callsARound; index++) await candidate.call(makeParams())
  return Number(process.hrtime.bigint() - started) / callsARound
}

/** Every candidate once a round, so that what slows the machine slows all of them. Ratios are taken within a round. */
async function compare(
  makeParams: () => ConnectTokenParams,
  candidates: readonly Candidate[],
): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>(candidates.map(({ name }) => [name, []]))
  for (let round = -3; round < rounds; round++)
    for (const candidate of candidates) {
      const time = await nanosecondsPerCall(candidate, makeParams)
      if (round >= 0) times.get(candidate.name)?.push(time)
    }
  return times
}

function ratio(times: Map<string, number[]>, numerator: string, denominator: string): number {
  const over = times.get(denominator) ?? []
  return median((times.get(numerator) ?? []).map((time, round) => time / (over[round] ?? Number.NaN)))
}

export const cachedCallBench: Bench = {
  name: 'cached call',
  async run(): Promise<BenchRow[]> {
    const fetchBefore = globalThis.fetch
    const variables = ['VERCEL_OIDC_TOKEN', 'VALETKEY_URL', 'VALETKEY_ID_TOKEN'] as const
    const before = variables.map((name) => [name, process.env[name]] as const)
    globalThis.fetch = () => Promise.resolve(Response.json(answer))
    process.env.VERCEL_OIDC_TOKEN = identity('https://vercel.com/acme')
    process.env.VALETKEY_URL = 'https://broker.example'
    process.env.VALETKEY_ID_TOKEN = identity('https://broker.example')
    try {
      const client = createClient({
        url: 'https://broker.example',
        identity: identity('https://broker.example'),
      })
      const map = new Map([['slack/mybot', answer]])
      const candidates: Candidate[] = [
        {
          name: 'map',
          // What a cache cannot be faster than: an async function around one look-up. It is given the params as well.
          call: async (_params) => (map.get('slack/mybot') ?? answer).token,
        },
        { name: 'valetkey', call: (params) => client.getToken('slack/mybot', params) },
        { name: 'ambient', call: (params) => getToken('slack/mybot', params) },
        {
          name: 'published',
          call: (params) =>
            publishedGetToken('slack/mybot', params as Parameters<typeof publishedGetToken>[1]),
        },
      ]
      const app = await compare(() => ({ subject: { type: 'app' } }), candidates)
      const user = await compare(
        () => ({ subject: { type: 'user', id: 'user_42' }, scopes: ['chat:write', 'channels:read'] }),
        candidates,
      )
      return [...rowsOf('app', app, 0.2), ...rowsOf('user and two scopes', user, 0.12)]
    } finally {
      globalThis.fetch = fetchBefore
      for (const [name, value] of before)
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
    }
  },
}

function rowsOf(what: string, times: Map<string, number[]>, bar: number): BenchRow[] {
  const nanoseconds = (name: string): string => `${median(times.get(name) ?? []).toFixed(0)} ns`
  const toMap = ratio(times, 'map', 'valetkey')
  const toPublished = ratio(times, 'published', 'valetkey')
  return [
    {
      workload: `cached call, ${what}: async Map.get ÷ ours`,
      figure: `${toMap.toFixed(2)} (${nanoseconds('map')} ÷ ${nanoseconds('valetkey')})`,
      bar: `>= ${bar}`,
      met: toMap >= bar,
    },
    {
      workload: `cached call, ${what}: @vercel/connect ÷ ours`,
      figure: `${toPublished.toFixed(2)} (${nanoseconds('published')} ÷ ${nanoseconds('valetkey')})`,
      bar: '>= 1.5',
      met: toPublished >= 1.5,
    },
    {
      workload: `cached call, ${what}, identity from the environment: async Map.get ÷ ours`,
      figure: `${ratio(times, 'map', 'ambient').toFixed(2)} (${nanoseconds('ambient')})`,
      bar: 'measured',
      met: true,
    },
  ]
}

if (isMain(import.meta.url)) await runAlone(cachedCallBench)
