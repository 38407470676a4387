/** One line of the benchmark table. */
export interface BenchRow {
  readonly workload: string
  readonly figure: string
  readonly bar: string
  readonly met: boolean
}

/** A benchmark: what `bench/run.ts` calls. */
export interface Bench {
  readonly name: string
  run(): Promise<BenchRow[]>
}

export function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b)
  return ordered[Math.floor(ordered.length / 2)] ?? Number.NaN
}

export function quantile(values: readonly number[], share: number): number {
  const ordered = [...values].sort((a, b) => a - b)
  return ordered[Math.min(ordered.length - 1, Math.ceil(ordered.length * share) - 1)] ?? Number.NaN
}

/** Prints the rows of a benchmark that is run by itself, and fails when a bar is not met. */
export async function runAlone(bench: Bench): Promise<void> {
  const rows = await bench.run()
  console.log(bench.name)
  for (const row of rows)
    console.log(`  ${row.met ? 'ok  ' : 'MISS'} ${row.workload}: ${row.figure} (bar: ${row.bar})`)
  if (rows.some((row) => !row.met)) process.exitCode = 1
}

/** True when `url` (a module's `import.meta.url`) is the program that was started. */
export function isMain(url: string): boolean {
  return process.argv[1] !== undefined && new URL(`file://${process.argv[1]}`).href === url
}
