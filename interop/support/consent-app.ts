import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient, isConnectError } from '@valetkey/sdk'
import { verifyWebhook } from '@valetkey/sdk/webhooks'

/** What the app keeps on its server for one browser. */
interface Session {
  readonly user: string
  /** By request. */
  readonly verifiers: Map<string, string>
}

/** A small app with sessions, which connects its users by the SDK and calls Linear for them. */
export interface ConsentApp {
  /** Without a trailing slash. `localhost`: another site than the issuing point. */
  readonly origin: string
  /** What the webhook was told and has verified: `request status`. */
  readonly told: string[]
  /** Look verifiers up for whoever brings a request, whichever session it was started in: a careless app. */
  careless: boolean
  close(): Promise<void>
}

/** How the app is told where its issuing point is, and who it is there. */
export interface ConsentAppOptions {
  readonly url: string
  readonly identity: string
  readonly project: string
  readonly environment: string
  /** UID of the connector to Linear. */
  readonly connector: string
  /** Linear's API. */
  readonly apiUrl: string
}

/** Starts one. `/login?user=…` signs a browser in, without a password. */
export async function startConsentApp(options: ConsentAppOptions): Promise<ConsentApp> {
  const { connector } = options
  const client = createClient({ url: options.url, identity: async () => options.identity })
  const sessions = new Map<string, Session>()
  const told: string[] = []
  const state = { careless: false }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      const why = isConnectError(error) ? error.code : 'a defect'
      show(response, 'Not connected', `<p role="alert">Refused: ${why}</p>`, 400)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin)
    if (url.pathname === '/hook') return hook(request, response)
    if (url.pathname === '/login') {
      const id = randomUUID()
      sessions.set(id, { user: url.searchParams.get('user') ?? '', verifiers: new Map() })
      response
        .writeHead(303, { 'set-cookie': `sid=${id}; Path=/; HttpOnly; SameSite=Lax`, location: '/' })
        .end()
      return
    }
    const session = sessions.get(/(?:^|; )sid=([^;]*)/.exec(request.headers.cookie ?? '')?.[1] ?? '')
    if (session === undefined) return show(response, 'Sign in first', '', 401)
    const subject = { type: 'user', id: session.user } as const
    const start = async (delivery: object) => {
      const began = await client.startAuthorization(connector, { subject, scopes: ['read'] }, delivery)
      session.verifiers.set(began.request, began.verifier)
      return began
    }
    const complete = async (id: string, code: string | null) => {
      const all = state.careless ? [...sessions.values()] : [session]
      const verifier = all.map(({ verifiers }) => verifiers.get(id)).find((found) => found !== undefined)
      if (verifier === undefined)
        return show(response, 'Not connected', '<p>Not started in this session</p>', 400)
      if (code === null) return show(response, 'Not connected', '<p>You said no</p>', 403)
      await client.completeAuthorization({ request: id, verifier, code, subject })
      session.verifiers.delete(id)
      return show(response, 'Connected', `<p>${session.user} is connected</p>`)
    }
    switch (url.pathname) {
      case '/connect': {
        const { url: page } = await start({ callbackUrl: `${origin}/connected` })
        return void response.writeHead(303, { location: page }).end()
      }
      case '/connected':
        return complete(url.searchParams.get('request') ?? '', url.searchParams.get('code'))
      case '/connect-by-code':
      case '/connect-by-hook': {
        const hooked = url.pathname === '/connect-by-hook'
        const began = await start(hooked ? { webhook: `${origin}/hook` } : { deviceCode: true })
        const form = `<form method="post" action="/typed"><input type="hidden" name="request" value="${began.request}">
<label for="code">Completion code</label><input id="code" name="code"><button>Send</button></form>`
        const link = `<p>Go to <a href="${began.url}">the page</a>, code <code>${began.deviceCode ?? ''}</code></p>`
        return show(response, 'Connect Linear', `${link}${form}`)
      }
      case '/typed': {
        const fields = new URLSearchParams(await textOf(request))
        return complete(fields.get('request') ?? '', fields.get('code'))
      }
      case '/issues': {
        const token = await client.getToken(connector, { subject })
        const answer = await fetch(`${options.apiUrl}/graphql`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ query: '{ viewer { name } }' }),
        })
        const { data } = (await answer.json()) as { data: { viewer: { name: string } } }
        return show(response, 'Issues', `<p>Linear knows you as ${data.viewer.name}</p>`)
      }
      default:
        return show(response, `Hello ${session.user}`, '<p><a href="/connect">Connect Linear</a></p>')
    }
  }

  async function hook(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = new Headers({ authorization: request.headers.authorization ?? '' })
    const incoming = new Request(`${origin}/hook`, { method: 'POST', headers, body: await textOf(request) })
    const { url, project, environment } = options
    const verified = await verifyWebhook(incoming, { url, project, environment })
    told.push(`${verified.request} ${verified.status}`)
    response.writeHead(204).end()
  }

  return {
    origin,
    told,
    get careless() {
      return state.careless
    },
    set careless(careless) {
      state.careless = careless
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function show(response: ServerResponse, title: string, body: string, status = 200): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
  response.end(`<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${body}</html>`)
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}
