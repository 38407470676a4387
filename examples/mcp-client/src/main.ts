// An MCP client without secrets: one step after the other, on this machine alone.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import {
  createConnector,
  expect,
  runProgram,
  seen,
  startBroker,
  step,
  valetkey,
} from '@valetkey/example-support'
import { startAuthorizationServer } from './authorization-server.ts'
import { startNotesServer } from './notes-server.ts'

const started = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'valetkey-mcp-'))
const accounts = await startAuthorizationServer()
const notes = await startNotesServer(accounts.whose)
const stops: (() => Promise<void>)[] = [notes.close, accounts.close]

try {
  const broker = await startBroker(folder)
  stops.unshift(broker.stop)
  step(
    'A broker, an MCP server and its authorization server are running',
    'The MCP server takes access tokens of the authorization server, and nothing else.',
  )
  seen(`broker ${broker.url}, MCP server ${notes.url}, authorization server ${accounts.issuer}`)

  step(
    'An operator connects the MCP server',
    'The client secret goes into the broker, encrypted, and stays there.',
  )
  const { id, uid } = await createConnector(folder, 'oauth', 'notes', accounts.connector)
  accounts.register(`${broker.url}/v1/connect/callback/${id}`)
  await valetkey(folder, 'project', 'create', 'assistant')
  const attach = ['connect', 'attach', uid, '--project', 'assistant', '-e', 'development']
  await valetkey(folder, ...attach, '--subjects', 'app,user')
  await valetkey(folder, 'env', 'pull', '--project', 'assistant', '--environment', 'development')
  seen(`connect create oauth --name notes → ${uid}, attached to assistant (development)`)

  await runProgram(folder, new URL('./agent.ts', import.meta.url), { MCP_URL: notes.url })

  step('What the MCP server saw', 'Its own tokens. Who the agent is, the broker alone knows.')
  for (const { method, who } of notes.seen) seen(`${method.padEnd(26)} ${who}`)
  const { VALETKEY_ID_TOKEN = '' } = parseEnv(await readFile(join(folder, '.env.local'), 'utf8'))
  expect(VALETKEY_ID_TOKEN !== '', 'there is no identity to look for')
  for (const { authorization } of notes.seen) {
    expect(authorization !== '', 'a request came without a token')
    expect(!authorization.includes(VALETKEY_ID_TOKEN), 'the identity reached the MCP server')
  }
  expect(notes.discoveries.length === 0, `the client went looking for ${notes.discoveries}`)
  console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
} finally {
  for (const stop of stops) await stop()
  await rm(folder, { recursive: true, force: true })
}
