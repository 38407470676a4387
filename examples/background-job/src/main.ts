// A job in a loop, without secrets and without a framework: on this machine alone.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnector, expect, seen, startBroker, step, valetkey } from '@valetkey/example-support'
import { startGitHub } from './github.ts'
import { runJob } from './run-job.ts'

const started = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'valetkey-job-'))
const stops: (() => Promise<unknown>)[] = []

try {
  const github = await startGitHub()
  stops.unshift(github.close)
  const broker = await startBroker(folder)
  stops.unshift(broker.stop)
  step('A broker and a local GitHub are running', 'The key of the GitHub App goes into the broker.')
  await createConnector(folder, 'github', 'helper', github.connector)
  await valetkey(folder, 'project', 'create', 'job')
  const attach = ['connect', 'attach', 'github/helper', '--project', 'job', '-e', 'development']
  const ceiling = [
    { type: 'github_app_installation', repositories: ['acme/website'], permissions: ['issues:read'] },
  ]
  await valetkey(folder, ...attach, '--authorization-details', JSON.stringify(ceiling))
  await valetkey(folder, 'env', 'pull', '--project', 'job', '--environment', 'development')
  seen(`broker ${broker.url}, GitHub ${github.url}`)

  step('The job starts while GitHub is down', 'No token can be made. It waits longer each time, and goes on.')
  github.breakDown(true)
  const job = runJob(folder, { GITHUB_API_URL: github.url, INTERVAL_MS: '200' })
  stops.unshift(job.terminate)
  await job.says('2 in a row')

  step('GitHub is back', 'The next turn gets its token; the ones after it share it.')
  github.breakDown(false)
  await job.says('open issues: 0')
  await job.says('open issues: 0')

  step('GitHub rejects the token', 'The broker is told which one, makes another, and no turn is lost.')
  github.rejectLastToken()
  await job.says('open issues: 0')
  expect(github.rejections() === 1, `GitHub rejected ${github.rejections()} requests`)
  seen('GitHub has answered 401 once')

  step('The platform stops the job', 'It gives up what it is waiting for, and exits with 0.')
  const code = await job.terminate()
  expect(code === 0, `it exited with ${code}`)
  console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
} finally {
  for (const stop of stops) await stop()
  await rm(folder, { recursive: true, force: true })
}
