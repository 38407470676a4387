// The app: a server of its own. Its environment holds no secret of Google's, only who it is and where to ask.
import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { connect } from '@valetkey/better-auth'
import { getToken, isConnectError } from '@valetkey/sdk'
import { createSignIn } from '@valetkey/sdk/sign-in'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { fromNodeHeaders, toNodeHandler } from 'better-auth/node'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'

const { PORT = '', APP_SECRET = '', GOOGLE_API_URL = '' } = process.env
const { issuer } = createSignIn('google/login')

const auth = betterAuth({
  baseURL: `http://localhost:${PORT}`,
  secret: APP_SECRET,
  database: new DatabaseSync('app.sqlite'),
  plugins: [genericOAuth({ config: [connect({ providerId: 'google', connector: 'google/login' })] })],
})
await (await getMigrations(auth.options)).runMigrations()
const serveAuth = toNodeHandler(auth)

/** The next appointments of whoever is signed in. */
async function calendarOf(headers: Headers): Promise<object | undefined> {
  const session = await auth.api.getSession({ headers })
  if (session === null) return undefined
  const accounts = await auth.api.listUserAccounts({ headers })
  const id = accounts.find(({ providerId }) => providerId === 'google')?.accountId ?? ''
  const token = await getToken('google/login', { subject: { type: 'user', id, issuer } })
  const answer = await fetch(`${GOOGLE_API_URL}/calendar/v3/calendars/primary/events`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const { items = [] } = (await answer.json()) as { items?: { summary: string }[] }
  return { user: session.user.email, events: items.map(({ summary }) => summary) }
}

createServer(async (request, response) => {
  if (request.url?.startsWith('/api/auth/')) return serveAuth(request, response)
  const send = (status: number, body: object) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  try {
    const calendar = await calendarOf(fromNodeHeaders(request.headers))
    return calendar === undefined ? send(401, { error: 'sign in first' }) : send(200, calendar)
  } catch (error) {
    return send(503, { error: isConnectError(error) ? error.code : 'failed' })
  }
}).listen(Number(PORT), 'localhost', () => console.log('ready'))
