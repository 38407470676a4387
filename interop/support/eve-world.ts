import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { type Choose, followConsent } from '@valetkey/example-support'
import { type NotesService, startNotesService } from '../../examples/eve-agent/src/notes-service.ts'
import { type AgentEvent, type AgentSession, runAgent } from '../../examples/eve-agent/src/run-agent.ts'
import { startDevelopment, type TestBroker } from './broker.ts'
import { attach, createConnector, createWorkload } from './operator.ts'

/** eve's development server with the example's agent, its issuing point, and the MCP server it calls. */
export interface EveWorld {
  readonly broker: TestBroker
  readonly notes: NotesService
  /** What eve printed. */
  log(): string
  /** What eve wrote into its folder, readable: it keeps the state of sessions encoded, and larger ones compressed. */
  written(): Promise<string>
  /** A session of a user, with its first message. */
  start(user: string, message?: string): Promise<AgentSession>
  close(): Promise<void>
}

/** Who may talk to the agent: each is `key-of-…` to it. */
export const users = ['ann', 'bob', 'cas', 'dee', 'eli'] as const

/** Starts it all. */
export async function startEveWorld(): Promise<EveWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-eve-'))
  const [broker, notes] = await Promise.all([startDevelopment(), startNotesService()])
  const id = await createConnector(broker.owner, 'oauth', 'notes', notes.connector)
  notes.register(`${broker.url}/v1/connect/callback/${id}`)
  const identity = await createWorkload(broker.owner, 'assistant')
  await attach(broker.owner, 'oauth/notes', 'assistant', 'development', {
    subjects: ['user'],
    dangerouslyBindOnConsent: true,
  })
  const agent = await runAgent(folder, {
    VALETKEY_URL: broker.url,
    VALETKEY_ID_TOKEN: identity,
    NOTES_URL: notes.url,
    AGENT_KEYS: JSON.stringify(Object.fromEntries(users.map((user) => [`key-of-${user}`, user]))),
  })
  return {
    broker,
    notes,
    log: agent.log,
    async written() {
      const files = await readdir(folder, { recursive: true, withFileTypes: true })
      const texts = files
        .filter((file) => file.isFile() && !file.parentPath.includes('node_modules'))
        // One that is gone again was a lock or half of a file that was being written.
        .map((file) => readFile(join(file.parentPath, file.name), 'latin1').then(decoded, () => ''))
      return (await Promise.all(texts)).join('\n')
    },
    start: (user, message = 'Read my notes') => agent.start(`key-of-${user}`, message),
    async close() {
      await agent.stop()
      await notes.close()
      await broker.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The part of an `authorization.required` event that a channel shows. */
export interface Asked {
  readonly authorization: { readonly url: string; readonly displayName?: string; readonly expiresAt?: string }
  readonly webhookUrl: string
  readonly principalId: string
}

/** What is asked for by an event. */
export function askedBy(event: AgentEvent): Asked {
  return event.data as unknown as Asked
}

/** What a person does with the link: agrees at the service as `account`, or says no there. Ends where eve is. */
export async function decide(event: AgentEvent, account: string | undefined): Promise<Response> {
  const { authorization, webhookUrl } = askedBy(event)
  const choose: Choose = (forms) => {
    const form = forms.find(
      ({ fields }) => fields.account === undefined || fields.account === (account ?? ''),
    )
    return form && { ...form, fields: { ...form.fields, action: 'continue' } }
  }
  return fetch(await followConsent(authorization.url, new URL(webhookUrl).origin, choose))
}

/** How the sign-ins of a session ended. */
export function outcomesOf({ events }: AgentSession): readonly unknown[] {
  return events.filter(({ type }) => type === 'authorization.completed').map(({ data }) => data.outcome)
}

function decoded(text: string): string {
  const states = [...text.matchAll(/"data": "([A-Za-z0-9+/]{8,}={0,2})"/g)].map(([, data = '']) => {
    const bytes = Buffer.from(data, 'base64')
    const compressed = bytes.subarray(0, 4).toString('latin1') === 'zstd'
    return (compressed ? zstdDecompressSync(bytes.subarray(4)) : bytes).toString('latin1')
  })
  return [text, ...states].join('\n')
}
