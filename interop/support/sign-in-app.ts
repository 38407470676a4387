import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient, isConnectError } from '@valetkey/sdk'
import type { SignInUpstream } from './sign-in-upstream.ts'

/** A framework for signing in, as an app uses it. */
export interface SignInFramework {
  /** Serves what is below its own path. */
  handle: (request: Request) => Promise<Response>
  /** Who is signed in, by the gateway's `sub`. */
  whoAsks(request: Request): Promise<{ readonly sub: string; readonly email: string | null } | undefined>
  /** The app's own way to begin, where the framework has no page for it. */
  begin?(request: Request): Promise<Response>
  /** Where people begin. */
  readonly start: string
  /** All that its database holds. */
  dump(): string
}

/** Where the app's broker is, and who the app is there. */
export interface SignInAppSettings {
  readonly url: string
  readonly connector: string
  /** Asked at each use. */
  readonly identity: () => string
  readonly upstream: Pick<SignInUpstream, 'whoIs'>
}

/** A small app whose people are signed in by a framework, and which calls the provider for them. */
export interface SignInApp {
  /** Without a trailing slash. `localhost`: another site than the broker. */
  readonly origin: string
  readonly framework: SignInFramework
  close(): Promise<void>
}

/** Starts one. */
export async function startSignInApp(
  settings: SignInAppSettings,
  create: (origin: string) => Promise<SignInFramework>,
): Promise<SignInApp> {
  const client = createClient({ url: settings.url, identity: async () => settings.identity() })
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      const why = isConnectError(error) ? error.code : 'a defect'
      response.writeHead(500, { 'content-type': 'text/html' }).end(`<h1>Failed: ${why}</h1>`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`
  const framework = await create(origin)

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await answerTo(await requestOf(incoming, origin))
    for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value)
    response.setHeader('set-cookie', answer.headers.getSetCookie())
    response.writeHead(answer.status).end(await answer.text())
  }

  async function answerTo(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/sign-in' && framework.begin !== undefined) return framework.begin(request)
    if (pathname !== '/' && pathname !== '/provider') return framework.handle(request)
    const person = await framework.whoAsks(request)
    if (person === undefined)
      return page('Nobody', '<form method="post" action="/sign-in"><button>Sign in</button></form>')
    if (pathname === '/')
      return page('Signed in', `<p id="sub">${person.sub}</p><p>${person.email ?? ''}</p>`)
    const subject = { type: 'user', id: person.sub, issuer: settings.url } as const
    const token = await client.getToken(settings.connector, { subject })
    return page('At the provider', `<p id="known">${await settings.upstream.whoIs(token)}</p>`)
  }

  return {
    origin,
    framework,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function page(title: string, body: string): Response {
  const html = `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${body}</html>`
  return new Response(html, { headers: { 'content-type': 'text/html; charset=utf-8' } })
}

async function requestOf(incoming: IncomingMessage, origin: string): Promise<Request> {
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined) headers.set(name, String(value))
  let body = ''
  for await (const chunk of incoming) body += chunk
  const { method = 'GET', url = '/' } = incoming
  return new Request(`${origin}${url}`, { method, headers, ...(method === 'POST' ? { body } : {}) })
}
