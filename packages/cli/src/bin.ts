#!/usr/bin/env node
import { run } from './run.ts'
import type { StopSignal } from './shell.ts'

// A reader that goes away (`valetkey audit export | head`) is no fault.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

const code = await run({
  argv: process.argv.slice(2),
  environment: process.env,
  folder: process.cwd(),
  pid: process.pid,
  nodeVersion: process.versions.node,
  userId: process.getuid?.(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  fetch: globalThis.fetch,
  now: Date.now,
  onStopSignal(listener) {
    const signals: StopSignal[] = ['SIGINT', 'SIGTERM']
    for (const signal of signals) process.on(signal, listener)
    return () => {
      for (const signal of signals) process.off(signal, listener)
    }
  },
  exit: (status) => process.exit(status),
  loadHost: () => import('@valetkey/broker/host'),
  loadAudit: () => import('@valetkey/broker/audit'),
  loadSdk: () => import('@valetkey/sdk'),
  loadIdentityReport: () => import('@valetkey/sdk/identity'),
})
// Output has been flushed; a handle that something left open must not keep a finished command alive.
process.exit(code)
