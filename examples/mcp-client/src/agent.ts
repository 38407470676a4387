// The agent: it holds an identity (`.env.local`), the address of an MCP server, and no secret.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { expect, followConsent, seen, step } from '@valetkey/example-support'
import { connectTransport, getConsentChallenge } from '@valetkey/mcp'
import { type ConnectTokenSubject, completeAuthorization } from '@valetkey/sdk'

const url = new URL(process.env.MCP_URL ?? '')
// In a web app a route of yours, and `sessions` what it keeps on its server.
const redirectUrl = 'http://localhost:3000/connected'
const sessions = new Map<string, { readonly subject: ConnectTokenSubject; readonly verifier: string }>()

async function connect(subject: ConnectTokenSubject): Promise<Client> {
  const connected = connectTransport(
    url,
    'oauth/notes',
    { subject },
    {
      redirectUrl,
      onConsentRequired: ({ request, verifier }) => void sessions.set(request, { subject, verifier }),
    },
  )
  const client = new Client({ name: 'assistant', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(url, connected))
  return client
}

async function call(client: Client, name: string): Promise<string> {
  const { content } = await client.callTool({ name })
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('')
  seen(`${name} → ${text}`)
  return text
}

step('It calls a tool as itself', 'A token for the app, asked for when the first request needs one.')
const asApp = await connect({ type: 'app' })
expect((await call(asApp, 'whoami')) === 'the app', 'the server took it for somebody else')
await asApp.close()

step(
  'It calls for Ann, who has not consented',
  'Nothing is sent to the MCP server; the error says where to send her.',
)
const ann = { type: 'user', id: 'ann' } as const
const challenge = await connect(ann).then(
  () => undefined,
  (error: unknown) => getConsentChallenge(error),
)
expect(challenge !== undefined, 'it got through without her consent')
seen(`consent required: ${challenge.url}`)

step(
  'Ann consents',
  'Only her browser is given the code; verifier and subject come from her session at the app.',
)
const arrived = await followConsent(challenge.url, redirectUrl)
const request = arrived.searchParams.get('request') ?? ''
const session = sessions.get(request)
expect(session !== undefined, 'it was not started in this session')
await completeAuthorization({ request, code: arrived.searchParams.get('code') ?? '', ...session })
const forAnn = await connect(ann)
expect((await call(forAnn, 'whoami')) === 'ann', 'the server took her for somebody else')

step(
  'The MCP server forgets her token',
  'The client reports it, gets another, and repeats the request: the agent does not notice.',
)
await call(forAnn, 'forget-my-token')
expect((await call(forAnn, 'whoami')) === 'ann', 'the server took her for somebody else')
await forAnn.close()
