// The main job, end to end, on this machine alone.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createConnector,
  expect,
  runProgram,
  seen,
  startBroker,
  step,
  valetkey,
} from '@valetkey/example-support'
import { startLocalServices } from './local-services.ts'

const started = performance.now()
const agent = new URL('./agent.ts', import.meta.url)
const folder = await mkdtemp(join(tmpdir(), 'valetkey-demo-'))
const services = await startLocalServices()
let broker: Awaited<ReturnType<typeof startBroker>> | undefined

try {
  broker = await startBroker(folder)
  step(
    'A broker and local GitHub and Slack services are running',
    'All of it on this machine; the broker is what `npx valetkey dev` starts.',
  )
  seen(`broker ${broker.url}, GitHub ${services.github.url}, Slack ${services.slack.apiUrl}`)

  step(
    'An operator registers the connectors',
    'The App key and the bot token go into the broker, encrypted, and stay there.',
  )
  for (const service of ['github', 'slack'] as const) {
    const created = await createConnector(folder, service, 'mybot', services[service].connector)
    seen(`connect create ${service} --name mybot → ${created.uid}`)
  }

  step(
    'The project is attached with a ceiling',
    'The most this agent may ever ask for, whatever it is talked into.',
  )
  await valetkey(folder, 'project', 'create', 'agent')
  await valetkey(folder, 'project', 'create', 'stranger')
  const ceiling = [
    {
      type: 'github_app_installation',
      repositories: ['acme/website'],
      permissions: ['contents:read', 'issues:write'],
    },
  ]
  await valetkey(
    folder,
    'connect',
    'attach',
    'github/mybot',
    '--project',
    'agent',
    '-e',
    'development',
    '--authorization-details',
    JSON.stringify(ceiling),
  )
  await valetkey(folder, 'connect', 'attach', 'slack/mybot', '--project', 'agent', '-e', 'development')
  seen(`github/mybot → agent (development), at most ${JSON.stringify(ceiling)}`)
  await valetkey(folder, 'env', 'pull', '--project', 'agent', '--environment', 'development')

  const variables = { GITHUB_API_URL: services.github.url, SLACK_API_URL: services.slack.apiUrl }
  await runProgram(folder, agent, variables, 'work')

  step('A project that is not attached asks', 'It is told the same as if the connector did not exist.')
  await valetkey(folder, 'env', 'pull', '--project', 'stranger', '--environment', 'development')
  await runProgram(folder, agent, variables, 'an unattached project asked')

  step('The attachment is removed', 'The very next request fails; no secret has to be changed anywhere.')
  await valetkey(folder, 'connect', 'detach', 'github/mybot', '--project', 'agent', '--yes')
  await valetkey(folder, 'env', 'pull', '--project', 'agent', '--environment', 'development')
  await runProgram(folder, agent, variables, 'the attachment was removed')

  step(
    'The audit trail',
    'Every token and every refusal, in a hash chain that can be checked without trusting the broker.',
  )
  const { events } = JSON.parse(await valetkey(folder, 'audit', 'list', '--limit', '100', '--json')) as {
    events: { seq: number; kind: string; code?: string; connectorUid?: string; action?: string }[]
  }
  for (const { seq, kind, code, connectorUid, action } of events.toReversed()) {
    if (kind.endsWith('_intended')) continue
    seen(
      [String(seq).padStart(3), kind, action, connectorUid, code]
        .filter((part) => part !== undefined)
        .join('  '),
    )
  }
  const verified = JSON.parse(await valetkey(folder, 'audit', 'verify', '--json')) as {
    valid: boolean
    events: number
  }
  seen(`audit verify → ${JSON.stringify(verified)}`)
  expect(verified.valid, 'the audit trail does not verify')

  console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
} finally {
  await broker?.stop()
  await services.close()
  await rm(folder, { recursive: true, force: true })
}
