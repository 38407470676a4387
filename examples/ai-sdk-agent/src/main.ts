// An agent of the AI SDK without secrets: one step after the other, on this machine alone.
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
import { startGitHub, startHandbook } from './services.ts'

const started = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'valetkey-ai-sdk-'))
const stops: (() => Promise<void>)[] = []

try {
  const github = await startGitHub()
  stops.unshift(github.close)
  const handbook = await startHandbook()
  stops.unshift(handbook.close)
  const broker = await startBroker(folder)
  stops.unshift(broker.stop)
  step(
    'A broker, a local GitHub and an MCP server are running',
    'GitHub wants a token of an App, the MCP server an API key.',
  )
  seen(`broker ${broker.url}, GitHub ${github.url}, MCP server ${handbook.url}`)

  step('An operator registers both', 'The App key and the API key go into the broker, and stay there.')
  await createConnector(folder, 'github', 'helper', github.connector)
  await createConnector(folder, 'api-key', 'handbook', handbook.connector)
  await valetkey(folder, 'project', 'create', 'agent')
  const attach = (connector: string, ...more: readonly string[]) =>
    valetkey(folder, 'connect', 'attach', connector, '--project', 'agent', '-e', 'development', ...more)
  const ceiling = [
    { type: 'github_app_installation', repositories: ['acme/website'], permissions: ['issues:write'] },
  ]
  await attach('github/helper', '--authorization-details', JSON.stringify(ceiling))
  await attach('api-key/handbook')
  await valetkey(folder, 'env', 'pull', '--project', 'agent', '--environment', 'development')
  seen(`github/helper, at most ${JSON.stringify(ceiling)}, and api-key/handbook → agent (development)`)

  const variables = { GITHUB_API_URL: github.url, HANDBOOK_URL: handbook.url }
  await runProgram(folder, new URL('./agent.ts', import.meta.url), variables)

  step('The audit trail', 'Each token with the tool call that it was asked for.')
  const { events } = JSON.parse(await valetkey(folder, 'audit', 'list', '--limit', '100', '--json')) as {
    events: { kind: string; connectorUid?: string; code?: string; details?: { toolCallId?: string } }[]
  }
  const asked = events.filter(({ details }) => details?.toolCallId !== undefined).toReversed()
  for (const { kind, connectorUid, code, details } of asked)
    seen([kind, connectorUid, code, details?.toolCallId].filter((part) => part !== undefined).join('  '))
  expect(asked.length >= 2, 'no tool call is named in the audit trail')
  console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
} finally {
  for (const stop of stops) await stop()
  await rm(folder, { recursive: true, force: true })
}
