// Node, Bun and Deno: one process, told what it needs by its last argument, which prints one line.
import type { Settings } from '../suite/protocol.ts'
import { runSuite } from '../suite.ts'

const { versions } = process
const name = versions.deno !== undefined ? 'deno' : versions.bun !== undefined ? 'bun' : 'node'
const settings = JSON.parse(process.argv.at(-1) ?? '') as Settings
const report = await runSuite({ runtime: { name, version: versions[name] ?? '' }, settings })

process.stdout.write(`${JSON.stringify(report)}\n`)
