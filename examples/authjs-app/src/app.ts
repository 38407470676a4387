// The app: a server of its own. Its environment holds no secret of Linear's, only who it is and where to ask.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Auth, type AuthConfig } from '@auth/core'
import { connect } from '@valetkey/authjs'
import { getToken, isConnectError } from '@valetkey/sdk'
import { createSignIn } from '@valetkey/sdk/sign-in'

const { PORT = '', APP_SECRET = '', LINEAR_API_URL = '' } = process.env
const { issuer } = createSignIn('linear/login')
const origin = `http://localhost:${PORT}`

const config: AuthConfig = {
  secret: APP_SECRET,
  basePath: '/auth',
  // The address it is served at is known, and does not come from a header.
  trustHost: true,
  providers: [connect({ id: 'linear', name: 'Linear', connector: 'linear/login' })],
  callbacks: {
    // Without a database, the session itself has to say who it is: by the gateway's name for the person.
    jwt: ({ token, account }) => (account ? { ...token, sub: account.providerAccountId } : token),
    session: ({ session, token }) => ({ ...session, sub: token.sub }),
  },
}

/** The issues of whoever is signed in. */
async function issuesOf(headers: Headers): Promise<object | undefined> {
  const answer = await Auth(new Request(`${origin}/auth/session`, { headers }), config)
  const session = (await answer.json()) as { sub: string; user: { name: string } } | null
  if (session === null) return undefined
  const subject = { type: 'user', id: session.sub, issuer } as const
  const token = await getToken('linear/login', { subject })
  const listed = await fetch(`${LINEAR_API_URL}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ viewer { assignedIssues { nodes { title } } } }' }),
  })
  const { data } = (await listed.json()) as {
    data: { viewer: { assignedIssues: { nodes: { title: string }[] } } }
  }
  return { user: session.user.name, issues: data.viewer.assignedIssues.nodes.map(({ title }) => title) }
}

async function answerTo(request: Request): Promise<Response> {
  if (new URL(request.url).pathname.startsWith('/auth/')) return Auth(request, config)
  try {
    const issues = await issuesOf(request.headers)
    return issues === undefined
      ? Response.json({ error: 'sign in first' }, { status: 401 })
      : Response.json(issues)
  } catch (error) {
    return Response.json({ error: isConnectError(error) ? error.code : 'failed' }, { status: 503 })
  }
}

async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined) headers.set(name, String(value))
  let body = ''
  for await (const chunk of incoming) body += String(chunk)
  const { method = 'GET', url = '/' } = incoming
  const request = new Request(`${origin}${url}`, { method, headers, ...(method === 'POST' ? { body } : {}) })
  const answer = await answerTo(request)
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value)
  response.setHeader('set-cookie', answer.headers.getSetCookie())
  response.writeHead(answer.status).end(await answer.text())
}

createServer((incoming, response) => {
  serve(incoming, response).catch(() => response.destroy())
}).listen(Number(PORT), 'localhost', () => console.log('ready'))
