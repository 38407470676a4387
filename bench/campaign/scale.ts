import { type CampaignReport, machineFacts, table } from './report.ts'
import { measure, type SizeResult } from './scale-measure.ts'
import { openScaleWorld } from './scale-world.ts'
import type { CampaignState } from './state.ts'

/** How much slower (or faster) the median may be among the most grants than among the fewest. */
const allowedChange = 0.2
const fewest = 1_000

/** Token requests that need no provider, among ever more grants. */
export async function scaleCampaign(
  options: { readonly seed: number; readonly grants: number },
  state: CampaignState,
): Promise<CampaignReport> {
  const sizes: number[] = []
  for (let size = fewest; size < options.grants; size *= 10) sizes.push(size)
  sizes.push(options.grants)

  const results: SizeResult[] = []
  const world = await openScaleWorld(fewest, options.seed)
  try {
    for (const size of sizes) {
      const done = state.get<SizeResult>(`scale-${size}`)
      if (done !== undefined) {
        results.push(done)
        continue
      }
      console.error(`scale: filling up to ${size.toLocaleString('en')} grants`)
      await world.large.growTo(size)
      const result = await measure(world, size, options.seed)
      console.error(`scale: ${size.toLocaleString('en')} grants: ${result.largeMs.toFixed(2)} ms`)
      results.push(result)
      state.set(`scale-${size}`, result)
    }
    return report(options, results, await world.serverVersion())
  } finally {
    await world.close()
  }
}

function report(
  { seed, grants }: { readonly seed: number; readonly grants: number },
  results: readonly SizeResult[],
  serverVersion: string,
): CampaignReport {
  const [first] = results
  const base = first === undefined ? Number.NaN : first.largeMs / first.smallMs
  const changes = results.map((result) => result.largeMs / result.smallMs / base - 1)
  const worst = Math.max(...changes.map(Math.abs))
  const oneRead = results.every(
    ({ statements }) =>
      statements.reads === statements.requests && statements.commits === statements.requests,
  )
  const held = worst < allowedChange && oneRead
  const rows = results.map((result, index) => [
    result.size.toLocaleString('en'),
    `${result.largeMs.toFixed(2)} ms`,
    `${result.largeP95Ms.toFixed(2)} ms`,
    `${result.smallMs.toFixed(2)} ms`,
    `${((changes[index] ?? 0) * 100).toFixed(1)} %`,
    `${result.tableMegabytes} MB`,
    (result.statements.reads / result.statements.requests).toFixed(2),
    (result.statements.commits / result.statements.requests).toFixed(2),
    result.statements.others,
  ])
  const text = `The latency of a token request for a user that needs no call to the provider, among ever more grants.

Machine: ${machineFacts()}, PostgreSQL ${serverVersion} with its own defaults (every commit is flushed). Again with
\`npm run campaign -- --only scale --seed ${seed} --grants ${grants}\`.

${table(
  [
    'grants',
    'median',
    'p95',
    'median among 1,000, in turn',
    'change',
    'table and indexes',
    'reads a request',
    'audit inserts a request',
    'other statements meanwhile',
  ],
  rows,
)}

**The median changes by ${(worst * 100).toFixed(1)} % at most; allowed are ${allowedChange * 100} %: ${held ? 'held' : 'broken'}.**

Each line is ${first?.requests.toLocaleString('en')} requests, one after the other, each for a user chosen at random among those whose grants are really
sealed and lie scattered among the others (rows made by SQL, never opened). A second broker with 1,000 grants in a database of
its own on the same server is asked in turn, request by request, so that what slows the machine slows both; *change* is the
ratio of the two medians against the same ratio in the first line. The statements were counted by pg_stat_statements during
${first?.statements.requests.toLocaleString('en')} further requests: one that reads, one that commits the audit event. The others are the background work's, which
looks for what is due every five seconds.`
  return {
    name: 'scale',
    held,
    text,
    options: { seed, grants },
    columns: ['grants', 'medianMs', 'p95Ms', 'smallMedianMs', 'megabytes', 'reads', 'auditInserts', 'others'],
    rows: results.map(({ size, largeMs, largeP95Ms, smallMs, tableMegabytes, statements }) => [
      size,
      rounded(largeMs),
      rounded(largeP95Ms),
      rounded(smallMs),
      tableMegabytes,
      statements.reads / statements.requests,
      statements.commits / statements.requests,
      statements.others,
    ]),
  }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
