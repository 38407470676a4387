import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An OAuth server with many people, whose tokens may live for two seconds. */
export interface ChatProvider {
  /** What an operator enters for the connector. */
  readonly data: object
  /** A refresh token of somebody who consented before. */
  consented(user: string): string
  /** Whom a token stands for, while it is good. */
  whose(token: string): string | false
  /** From now on this token is not good. */
  reject(token: string): void
  close(): Promise<void>
}

/** Whatever the provider gives out: access tokens, refresh tokens and codes. */
export const tokenPattern: RegExp = /(access|refresh|code)-[0-9a-f]{30}/

interface Code {
  readonly user: string
  readonly challenge: string
}

const [clientId, clientSecret] = ['broker', 'a-secret-of-the-test']

/** Starts it. Its page has a button for each of `users`; `ttlSecondsOf` says how long a person's tokens live. */
export async function startChatProvider(
  users: readonly string[],
  ttlSecondsOf: (user: string) => number,
): Promise<ChatProvider> {
  const codes = new Map<string, Code>()
  const refreshTokens = new Map<string, string>()
  const accessTokens = new Map<string, { readonly user: string; readonly endsAtMs: number }>()

  function make(kind: 'access' | 'refresh' | 'code'): string {
    return `${kind}-${randomBytes(15).toString('hex')}`
  }
  function consented(user: string): string {
    const token = make('refresh')
    refreshTokens.set(token, user)
    return token
  }
  function tokensOf(user: string): object {
    const [accessToken, expiresIn] = [make('access'), ttlSecondsOf(user)]
    accessTokens.set(accessToken, { user, endsAtMs: Date.now() + expiresIn * 1000 })
    return {
      access_token: accessToken,
      refresh_token: consented(user),
      token_type: 'Bearer',
      expires_in: expiresIn,
      scope: 'read',
    }
  }
  /** Refresh tokens rotate: each is good for one time. */
  function userOf(form: URLSearchParams): string | undefined {
    const refreshToken = form.get('refresh_token') ?? ''
    const user = refreshTokens.get(refreshToken)
    refreshTokens.delete(refreshToken)
    if (user !== undefined) return user
    const code = codes.get(form.get('code') ?? '')
    codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '')
    return code?.challenge === challenge.digest('base64url') ? code.user : undefined
  }
  function page(query: URLSearchParams): string {
    const hidden = [...query].map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`)
    const form = (user: string) =>
      `<form method="post" action="/authorize"><input type="hidden" name="user" value="${user}">${hidden.join('')}</form>`
    return users.map(form).join('')
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', url)
    const form = new URLSearchParams(await textOf(request))
    const json = (body: object, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (pathname === '/.well-known/openid-configuration')
      return void json({
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        jwks_uri: `${url}/keys`,
        authorization_response_iss_parameter_supported: true,
        code_challenge_methods_supported: ['S256'],
      })
    if (pathname === '/authorize' && request.method === 'GET')
      return void response.writeHead(200, { 'content-type': 'text/html' }).end(page(searchParams))
    if (pathname === '/authorize') {
      const code = make('code')
      codes.set(code, { user: form.get('user') ?? '', challenge: form.get('code_challenge') ?? '' })
      const back = new URL(form.get('redirect_uri') ?? '')
      back.search = String(new URLSearchParams({ code, state: form.get('state') ?? '', iss: url }))
      return void response.writeHead(303, { location: back.href }).end()
    }
    if (pathname !== '/token') return void json({}, 404)
    const user = userOf(form)
    return void (user === undefined ? json({ error: 'invalid_grant' }, 400) : json(tokensOf(user)))
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    data: {
      serverUrl: url,
      clientId,
      clientSecret,
      userAuthorization: { enabled: true, scopes: ['read'] },
    },
    consented,
    whose(token) {
      const held = accessTokens.get(token)
      return held !== undefined && Date.now() < held.endsAtMs && held.user
    },
    reject: (token) => void accessTokens.delete(token),
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
