import { createHash, randomBytes } from 'node:crypto'

export const redirectUri = 'https://app.example/callback'

/** The client that brokers are at the provider. */
export const oauthClient = { clientId: 'broker', clientSecret: 'a-secret-of-the-test' } as const

/** What a provider gave for a consent. */
export interface Consented {
  readonly accessToken: string
  readonly refreshToken: string
}

/** Has an account consent, by code and PKCE, as a browser and a client would. */
export async function consentByCode(issuer: string, account: string): Promise<Consented> {
  const verifier = randomBytes(32).toString('base64url')
  const cookies = new Map<string, string>()
  const query = new URLSearchParams({
    client_id: oauthClient.clientId,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: redirectUri,
    login_hint: account,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  let url = `${issuer}/auth?${query}`
  for (let step = 0; step < 6 && !url.startsWith(redirectUri); step += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    await response.body?.cancel()
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    url = new URL(response.headers.get('location') ?? '', url).href
  }
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${oauthClient.clientId}:${oauthClient.clientSecret}`)}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: new URL(url).searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  })
  const tokens = (await answer.json()) as { access_token?: string; refresh_token?: string }
  if (tokens.access_token === undefined || tokens.refresh_token === undefined)
    throw new Error('The provider gave no refresh token')
  return { accessToken: tokens.access_token, refreshToken: tokens.refresh_token }
}
