// `npm run bench [-- name …] [-- --write]`: prints one table of ratios taken in this run.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { startUp } from './broker/start-up.ts'
import { warmRequest } from './broker/warm-request.ts'
import type { Bench, BenchRow } from './result.ts'
import { bundleSizeBench } from './sdk/bundle-size.ts'
import { cacheBoundsBench } from './sdk/cache-bounds.ts'
import { cachedCallBench } from './sdk/cached-call.ts'
import { exchangesBench } from './sdk/exchanges.ts'
import { renewalBench } from './sdk/renewal.ts'
import { telemetryBench } from './sdk/telemetry.ts'

const benches: readonly Bench[] = [
  exchangesBench,
  renewalBench,
  cachedCallBench,
  telemetryBench,
  bundleSizeBench,
  cacheBoundsBench,
  warmRequest,
  startUp,
]

/** Runs one benchmark in a process of its own: what one has taught the compiler must not slow the next. */
function runAlone(name: string): readonly BenchRow[] {
  const child = spawnSync(process.execPath, [...process.execArgv, 'bench/run.ts', `--only=${name}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (child.status !== 0) throw new Error(`the benchmark "${name}" exited with ${child.status}`)
  return JSON.parse(child.stdout) as BenchRow[]
}

const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length)
if (only !== undefined) {
  const rows = await benches.find((bench) => bench.name === only)?.run()
  process.stdout.write(JSON.stringify(rows))
  process.exit(0)
}

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = names.filter((name) => !benches.some((bench) => bench.name === name))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; there are ${benches.map((bench) => bench.name).join(', ')}`)
  process.exit(2)
}
const rows: BenchRow[] = []
for (const { name } of benches) {
  if (names.length > 0 && !names.includes(name)) continue
  console.error(`> ${name}`)
  rows.push(...runAlone(name))
}

const table = [
  '| workload | figure | must reach | |',
  '|---|---|---|---|',
  ...rows.map(
    ({ workload, figure, bar, met }) =>
      `| ${workload} | ${figure} | ${bar} | ${bar === '' ? '' : met ? 'yes' : '**no**'} |`,
  ),
].join('\n')
console.log(table)

if (process.argv.includes('--write')) {
  const [cpu] = cpus()
  const machine = `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`
  const path = 'docs/performance.md'
  const text = readFileSync(path, 'utf8').replace(
    /(<!-- figures -->\n)[\s\S]*?(<!-- \/figures -->)/,
    (_all, head: string, tail: string) => `${head}\nMachine: ${machine}.\n\n${table}\n\n${tail}`,
  )
  writeFileSync(path, text)
}
if (rows.some((row) => !row.met)) process.exitCode = 1
