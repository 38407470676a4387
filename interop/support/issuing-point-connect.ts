import { createRemoteJWKSet, jwtVerify } from 'jose'

/**
 * Vercel Connect as its documentation and its published client describe it, for one project: tokens, refusals and
 * revocation. It trusts what `trustedIssuer` signs for `audience`.
 */
export function createConnect(
  trustedIssuer: string,
  audience: string,
  connectors: readonly string[],
): (request: Request) => Promise<Response> {
  const keys = createRemoteJWKSet(new URL(`${trustedIssuer}/jwks`))
  let issued = 0

  return async (request) => {
    const { pathname } = new URL(request.url)
    if (request.headers.get('content-type')?.startsWith('application/json') !== true)
      return refusal(415, 'unsupported_media_type', 'JSON is wanted')
    const bearer = /^Bearer (\S+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
    const isKnown = await jwtVerify(bearer, keys, { issuer: trustedIssuer, audience }).then(
      () => true,
      () => false,
    )
    if (!isKnown) return refusal(401, 'forbidden', 'Not authorized')
    const [, kind, segment] = /^\/v1\/connect\/(token|connectors)\/([^/]+)(?:\/tokens)?$/.exec(pathname) ?? []
    if (kind === undefined || segment === undefined) return refusal(404, 'not_found', 'No such route')
    const connector = decodeURIComponent(segment)
    if (!connectors.includes(connector))
      return refusal(403, 'forbidden', 'The connector is not linked to this project')
    if (kind === 'connectors' && request.method === 'DELETE')
      return Response.json({
        tokensFound: 1,
        deleted: 1,
        providerRevoked: 0,
        providerSkipped: 1,
        providerFailed: 0,
      })
    const { subject } = (await request.json()) as { readonly subject: { readonly type: string } }
    if (connector === 'oauth/empty') return refusal(422, 'no_token', 'No token could be made for the app')
    if (subject.type === 'user')
      return refusal(422, 'user_authorization_required', 'The user has not authorized the connector')
    issued += 1
    return Response.json({
      token: `token-of-connect-${issued}`,
      tokenId: `stk_${issued}`,
      expiresAt: Date.now() + 3_600_000,
      connector: { id: 'scl_1', uid: connector, type: 'oauth' },
    })
  }
}

function refusal(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status })
}
