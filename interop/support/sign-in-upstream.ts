import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

/** What the provider says of the people it knows. `ada` has claimed the address of `ann`, who has proven it. */
const people: Readonly<Record<string, object>> = {
  ann: { email: 'ann@example.com', email_verified: true, name: 'Ann' },
  bob: { email: 'bob@example.com', email_verified: true, name: 'Bob' },
  ada: { email: 'ann@example.com', email_verified: false, name: 'Ada' },
}

/** The secret of the broker's client there. */
export const upstreamSecret = 'a-secret-of-the-upstream-provider'

/** A certified OpenID Provider, unchanged, on loopback, whose login page asks which of its people one is. */
export interface SignInUpstream {
  readonly issuer: string
  /** Makes the broker's callback known, which exists only once the connector does. */
  register(callback: string): void
  /** Who the provider's API takes the bearer of a token for; undefined where it refuses. */
  whoIs(token: string): Promise<string | undefined>
  close(): Promise<void>
}

/** Starts one. */
export async function startUpstream(): Promise<SignInUpstream> {
  let handle: RequestListener = (_, response) => response.writeHead(503).end()
  const server = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'es-1', use: 'sig', alg: 'ES256' }

  function register(callback: string): void {
    const provider = createProvider(issuer, jwk, callback)
    const rest = provider.callback()
    handle = (request, response) => {
      if (request.url?.startsWith('/interaction/') !== true) return rest(request, response)
      return login(provider, request, response).catch(() => response.destroy())
    }
  }
  register('https://broker.example/')
  return {
    issuer,
    register,
    async whoIs(token) {
      const answer = await fetch(`${issuer}/me`, { headers: { authorization: `Bearer ${token}` } })
      return answer.ok ? ((await answer.json()) as { sub: string }).sub : undefined
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function login(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') {
    let form = ''
    for await (const chunk of request) form += chunk
    const accountId = new URLSearchParams(form).get('login') ?? ''
    return provider.interactionFinished(request, response, { login: { accountId } })
  }
  const buttons = Object.keys(people).map(
    (name) => `<button name="login" value="${name}">I am ${name}</button>`,
  )
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
  response.end(`<!doctype html><title>Log in</title><form method="post" action="">${buttons.join('')}</form>`)
}

function createProvider(issuer: string, jwk: object, callback: string): Provider {
  return new Provider(issuer, {
    jwks: { keys: [{ kty: 'EC', ...jwk }] },
    clients: [
      {
        client_id: 'broker',
        client_secret: upstreamSecret,
        redirect_uris: [callback],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['cookie-key-of-the-test'] },
    ttl: {
      AccessToken: 3600,
      AuthorizationCode: 60,
      Grant: 3600,
      IdToken: 300,
      Interaction: 300,
      Session: 300,
    },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, ...people[accountId] }),
    }),
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client?.clientId ?? '',
        accountId: context.oidc.account?.accountId ?? '',
      })
      grant.addOIDCScope('openid email profile')
      await grant.save()
      return grant
    },
  })
}
