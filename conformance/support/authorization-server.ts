import { createHash, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Clock } from './clock.ts'
import { sendJson, startLoopbackServer } from './http.ts'

/** One request that an authorization server received, as it came. */
export interface ProviderRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly form: URLSearchParams
}

/** Answers a token request in place of the server; `answer` is what the server would have said. */
export type TokenAnswer = (response: ServerResponse, answer: object) => unknown

/** An OAuth authorization server on loopback: rotates refresh tokens, checks PKCE, and remembers everything. */
export interface AuthorizationServer {
  readonly url: string
  readonly clientSecret: string
  /** Everything that the broker sent to it, in order. */
  readonly requests: ProviderRequest[]
  /** Addresses with which browsers came to consent. */
  readonly visits: URL[]
  /** Refresh tokens that came in, good or spent. */
  readonly refreshes: string[]
  /** Access and refresh tokens that it gave out. */
  readonly given: string[]
  /** Tokens that it was told to end. */
  readonly ended: string[]
  readonly next: {
    /** Awaited before a refresh is looked at, once. */
    holdBefore?: Promise<unknown> | undefined
    /** Awaited after a refresh has rotated and before it is answered, once. */
    holdAfter?: Promise<unknown> | undefined
    /** How the next refresh is answered once it has rotated. */
    refresh?: TokenAnswer | undefined
    /** How the next code is answered. */
    redemption?: TokenAnswer | undefined
    /** Refuse every refresh from now on. */
    refuseRefresh?: string | undefined
    /** A spent refresh token goes on to work, as at providers with a time of grace. */
    grace?: boolean
  }
  /** The person agrees: where the browser is sent. `changes` replaces parameters of the answer, or removes them. */
  agree(
    authorizationUrl: string,
    person: string,
    changes?: Readonly<Record<string, string | undefined>>,
  ): string
  /** Whose access token it is, while it is good. */
  ownerOf(accessToken: unknown): string | undefined
  close(): Promise<void>
}

interface Code {
  readonly person: string
  readonly redirectUri: string
  readonly challenge: string
  readonly scope: string
  readonly nonce: string | null
}

/** How the broker is known there. */
export const clientId = 'client-of-the-broker'

/** Starts one. Whatever it gives out can be told apart from everything else, and searched for. */
export async function startAuthorizationServer(clock: Clock): Promise<AuthorizationServer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const publicJwk = { ...(await exportJWK(publicKey)), kid: 'es-1', alg: 'ES256', use: 'sig' }
  const clientSecret = `client-secret-${randomBytes(12).toString('hex')}`
  const codes = new Map<string, Code>()
  const accessTokens = new Map<string, string>()
  const refreshTokens = new Map<string, { readonly person: string; readonly scope: string; spent: boolean }>()
  const next: AuthorizationServer['next'] = {}
  const requests: ProviderRequest[] = []
  const visits: URL[] = []
  const refreshes: string[] = []
  const given: string[] = []
  const ended: string[] = []

  function give(person: string, scope: string) {
    const accessToken = `access-of-${person}-${randomBytes(12).toString('hex')}`
    const refreshToken = `refresh-of-${person}-${randomBytes(12).toString('hex')}`
    accessTokens.set(accessToken, person)
    refreshTokens.set(refreshToken, { person, scope, spent: false })
    given.push(accessToken, refreshToken)
    return {
      access_token: accessToken,
      refresh_token: refreshToken,
      token_type: 'Bearer',
      expires_in: 3600,
      scope,
    }
  }

  async function idToken(code: Code): Promise<object> {
    if (!code.scope.split(' ').includes('openid')) return {}
    const claims = {
      email: `${code.person}@example.com`,
      email_verified: true,
      name: code.person,
      ...(code.nonce === null ? {} : { nonce: code.nonce }),
    }
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'es-1' })
      .setIssuer(server.url)
      .setSubject(code.person)
      .setAudience(clientId)
      .setIssuedAt(clock.seconds())
      .setExpirationTime(clock.seconds() + 300)
      .sign(privateKey)
    return { id_token: token }
  }

  async function redeem(form: URLSearchParams, response: ServerResponse): Promise<unknown> {
    const text = form.get('code') ?? ''
    const code = codes.get(text)
    codes.delete(text)
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (code === undefined || code.challenge !== challenge || code.redirectUri !== form.get('redirect_uri'))
      return sendJson(response, { error: 'invalid_grant' }, 400)
    const answer = { ...give(code.person, code.scope), ...(await idToken(code)) }
    const special = next.redemption
    next.redemption = undefined
    return special === undefined ? sendJson(response, answer) : special(response, answer)
  }

  async function refresh(form: URLSearchParams, response: ServerResponse): Promise<unknown> {
    const text = form.get('refresh_token') ?? ''
    refreshes.push(text)
    const { holdBefore } = next
    next.holdBefore = undefined
    await holdBefore
    if (next.refuseRefresh !== undefined) return sendJson(response, { error: next.refuseRefresh }, 400)
    const known = refreshTokens.get(text)
    if (known === undefined || (known.spent && next.grace !== true))
      return sendJson(response, { error: 'invalid_grant' }, 400)
    known.spent = true
    const answer = give(known.person, known.scope)
    const { holdAfter, refresh: special } = next
    next.holdAfter = undefined
    next.refresh = undefined
    await holdAfter
    return special === undefined ? sendJson(response, answer) : special(response, answer)
  }

  const server = await startLoopbackServer((request, response, body) => {
    const path = request.url ?? ''
    const form = new URLSearchParams(body)
    requests.push({ path, headers: request.headers, body, form })
    const proof = Buffer.from(
      request.headers.authorization?.replace(/^Basic /, '') ?? '',
      'base64',
    ).toString()
    switch (path) {
      case '/.well-known/openid-configuration':
        return sendJson(response, {
          issuer: server.url,
          authorization_endpoint: `${server.url}/authorize`,
          token_endpoint: `${server.url}/token`,
          revocation_endpoint: `${server.url}/revoke`,
          userinfo_endpoint: `${server.url}/userinfo`,
          jwks_uri: `${server.url}/keys`,
          id_token_signing_alg_values_supported: ['ES256'],
          authorization_response_iss_parameter_supported: true,
          code_challenge_methods_supported: ['S256'],
        })
      case '/keys':
        return sendJson(response, { keys: [publicJwk] })
      case '/userinfo': {
        const person = accessTokens.get(request.headers.authorization?.replace(/^Bearer /, '') ?? '')
        return person === undefined
          ? sendJson(response, {}, 401)
          : sendJson(response, { sub: person, name: person })
      }
      case '/token':
        // Both halves are form-encoded (RFC 6749 §2.3.1).
        if (decodeURIComponent(proof) !== `${clientId}:${clientSecret}`)
          return sendJson(response, { error: 'invalid_client' }, 401)
        return form.get('grant_type') === 'refresh_token' ? refresh(form, response) : redeem(form, response)
      case '/revoke':
        ended.push(form.get('token') ?? '')
        return sendJson(response, {})
      default:
        return sendJson(response, {}, 404)
    }
  })

  return {
    url: server.url,
    clientSecret,
    requests,
    visits,
    refreshes,
    given,
    ended,
    next,
    agree(authorizationUrl, person, changes = {}) {
      const url = new URL(authorizationUrl)
      visits.push(url)
      const asked = (name: string) => url.searchParams.get(name)
      const redirectUri = asked('redirect_uri') ?? ''
      if (
        url.origin !== server.url ||
        asked('client_id') !== clientId ||
        asked('code_challenge_method') !== 'S256'
      )
        throw new Error('Not a request that this server takes')
      const code = `code-of-${person}-${randomBytes(12).toString('hex')}`
      codes.set(code, {
        person,
        redirectUri,
        challenge: asked('code_challenge') ?? '',
        scope: asked('scope') ?? '',
        nonce: asked('nonce'),
      })
      given.push(code)
      const answer = { code, state: asked('state') ?? '', iss: server.url, ...changes }
      const back = new URLSearchParams()
      for (const [name, value] of Object.entries(answer)) if (value !== undefined) back.append(name, value)
      return `${redirectUri}?${back}`
    },
    ownerOf: (accessToken) => accessTokens.get(String(accessToken)),
    close: server.close,
  }
}
