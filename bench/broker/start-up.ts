import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Bench, type BenchRow, median } from '../result.ts'

const command = fileURLToPath(new URL('../../packages/cli/dist/bin.js', import.meta.url))
const rounds = 5

interface Start {
  readonly seconds: number
  readonly residentMegabytes: number
}

/** Starts `valetkey dev`, waits for `ready`, reads its memory, stops it. */
async function start(dataDir: string): Promise<Start> {
  const started = performance.now()
  const child = spawn(process.execPath, [command, 'dev', '--port', '0', '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('ready ') && resolve())
    child.once('exit', (code) => reject(new Error(`valetkey dev exited with ${code}`)))
  })
  const seconds = (performance.now() - started) / 1000
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  const stopped = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await stopped
  return { seconds, residentMegabytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024 }
}

async function run(): Promise<BenchRow[]> {
  const fresh: Start[] = []
  const existing: Start[] = []
  for (let round = 0; round < rounds; round++) {
    const folder = await mkdtemp(join(tmpdir(), 'valetkey-bench-start-'))
    try {
      fresh.push(await start(join(folder, 'data')))
      existing.push(await start(join(folder, 'data')))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  const seconds = (starts: readonly Start[]) => `${median(starts.map((each) => each.seconds)).toFixed(1)} s`
  const told = { bar: '', met: true }
  return [
    { workload: '`valetkey dev`: time to `ready`, fresh folder', figure: seconds(fresh), ...told },
    { workload: '`valetkey dev`: time to `ready`, existing folder', figure: seconds(existing), ...told },
    {
      workload: '`valetkey dev`: memory when ready',
      figure: `${Math.round(median(existing.map((each) => each.residentMegabytes)))} MB`,
      ...told,
    },
  ]
}

export const startUp: Bench = { name: 'start', run }
