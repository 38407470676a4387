// An eve agent that asks its users for consent: one step after the other, on this machine alone.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import {
  createConnector,
  expect,
  followConsent,
  seen,
  startBroker,
  step,
  valetkey,
} from '@valetkey/example-support'
import { startNotesService } from './notes-service.ts'
import { type AgentEvent, type AgentSession, runAgent } from './run-agent.ts'

const started = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'valetkey-eve-'))
const ends: (() => Promise<void>)[] = []

try {
  const notes = await startNotesService()
  ends.unshift(notes.close)
  const broker = await startBroker(folder)
  ends.unshift(broker.stop)
  step('A broker and a notes service are running', 'Notes are behind an MCP server that wants OAuth tokens.')
  seen(`broker ${broker.url}, MCP server ${notes.url}`)

  step(
    'An operator registers the connector and attaches it',
    "eve's callback says nothing about who came back, so consent alone has to bind: that is said out loud.",
  )
  const { id, uid } = await createConnector(folder, 'oauth', 'notes', notes.connector)
  notes.register(`${broker.url}/v1/connect/callback/${id}`)
  await valetkey(folder, 'project', 'create', 'assistant')
  const attach = ['connect', 'attach', uid, '--project', 'assistant', '-e', 'development']
  await valetkey(folder, ...attach, '--subjects', 'user', '--dangerously-bind-on-consent')
  await valetkey(folder, 'env', 'pull', '--project', 'assistant', '--environment', 'development')
  seen(`${uid} → assistant (development), for users, --dangerously-bind-on-consent`)

  const pulled = parseEnv(await readFile(join(folder, '.env.local'), 'utf8')) as Record<string, string>
  const agent = await runAgent(folder, {
    ...pulled,
    NOTES_URL: notes.url,
    AGENT_KEYS: JSON.stringify({ 'key-of-ann': 'ann', 'key-of-bob': 'bob' }),
  })
  ends.unshift(agent.stop)
  step(
    'eve runs the agent',
    "What `eve dev` starts, with a model that needs no provider and eve's own HTTP API.",
  )
  seen(`eve ${agent.url}`)

  step('Ann says no', 'The agent reads notes, eve asks for consent, and a denial is a denial.')
  const first = await agent.start('key-of-ann', 'Read my notes')
  const page = await decide(await first.next('authorization.required'), '')
  expect(page.includes('Nothing was connected'), 'a denial is told as something else')
  await first.send('Let me think again')
  expect(
    (await first.next('authorization.completed')).data.outcome === 'declined',
    'the sign-in was not declined',
  )
  seen('Nothing was connected; with her next message eve ends the sign-in as declined and asks again')

  step('Ann agrees', 'The turn goes on where it stopped, with a token that only she could allow.')
  await decide(await first.next('authorization.required'), 'ann')
  await answers(first, 'These are the notes of ann')

  step('Bob asks the same agent', "Ann's consent is not his: he is asked himself, and gets his own notes.")
  const second = await agent.start('key-of-bob', 'Read my notes')
  await decide(await second.next('authorization.required'), 'bob')
  await answers(second, 'These are the notes of bob')

  step('The service rejects a token', 'It is renewed, and nobody is asked for consent.')
  const rejected = notes.calls.at(-1)?.token
  notes.rejects = ({ token }) => token === rejected
  await second.send('And once more')
  await answers(second, 'These are the notes of bob')
  expect(notes.calls.at(-1)?.token !== rejected, 'the rejected token was used again')

  console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
} finally {
  for (const end of ends) await end()
  await rm(folder, { recursive: true, force: true })
}

/** Goes through the consent as a person with a browser; `account` is chosen at the service, `''` says no. */
async function decide({ data }: AgentEvent, account: string): Promise<string> {
  const { authorization, webhookUrl } = data as { authorization: { url: string }; webhookUrl: string }
  const back = await followConsent(authorization.url, new URL(webhookUrl).origin, (forms) => {
    const form = forms.find(({ fields }) => (fields.account ?? account) === account)
    return form && { ...form, fields: { ...form.fields, action: 'continue' } }
  })
  return (await fetch(back)).text()
}

async function answers(session: AgentSession, text: string): Promise<void> {
  const message = String((await session.next('message.completed')).data.message)
  expect(message.includes(text), `the agent said: ${message}`)
  await session.next('session.waiting')
  seen(message)
}
