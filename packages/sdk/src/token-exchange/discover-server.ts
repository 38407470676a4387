import { allowInsecureRequests, customFetch, discovery, None, type ServerMetadata } from 'openid-client'
import { ConnectError, invalidResponse } from '../errors/connect-error.ts'
import { codeOfStatus } from '../errors/wire-codes.ts'
import { type Answer, send, type Transport } from '../http/send.ts'
import type { CheckedConfig } from './check-config.ts'
import { asExchangeError } from './exchange-fault.ts'

/** What an exchange has to know of the server. */
export type ExchangeServer = Pick<ServerMetadata, 'issuer'> & { readonly token_endpoint: string }

/**
 * The server by its published metadata: OpenID Connect Discovery §4, else RFC 8414 §3.
 *
 * @throws {ConnectError} `invalid_response` when there is none, when it is of another issuer, or when its token
 *   endpoint is elsewhere: credentials go to the configured origin only.
 */
export async function discoverServer(config: CheckedConfig, transport: Transport): Promise<ExchangeServer> {
  const { issuer, origin } = config
  const metadata =
    (await metadataBy('oidc', issuer, transport)) ?? (await metadataBy('oauth2', issuer, transport))
  if (metadata === undefined)
    throw invalidResponse(`${new URL(issuer).host} publishes no metadata of an issuer`)
  const { token_endpoint: endpoint } = metadata
  if (typeof endpoint !== 'string' || !URL.canParse(endpoint))
    throw invalidResponse(`${new URL(issuer).host} publishes no token endpoint`)
  if (new URL(endpoint).origin !== origin)
    throw invalidResponse(
      `The token endpoint of ${new URL(issuer).host} is at another origin, where no identity is sent: ` +
        'if that is right, name it by `tokenEndpoint`',
    )
  return { issuer: metadata.issuer, token_endpoint: endpoint }
}

/** Undefined where there is no such document. */
async function metadataBy(
  algorithm: 'oidc' | 'oauth2',
  issuer: string,
  transport: Transport,
): Promise<ServerMetadata | undefined> {
  let absent = false
  try {
    const found = await discovery(new URL(issuer), 'anonymous', undefined, None(), {
      algorithm,
      execute: issuer.startsWith('http:') ? [allowInsecureRequests] : [],
      [customFetch]: async (url) => {
        const answer = await send(transport, { url, method: 'GET' })
        absent = answer.status >= 400 && answer.status < 500 && answer.status !== 429
        if (answer.status !== 200) throw notFound(answer)
        return new Response(answer.text, { headers: { 'content-type': 'application/json' } })
      },
    })
    return found.serverMetadata()
  } catch (error) {
    if (absent) return undefined
    throw asExchangeError(error, 'The metadata of the issuer is not what RFC 8414 describes')
  }
}

function notFound({ status }: Answer): ConnectError {
  return new ConnectError(`The issuer answered ${status} when asked for its metadata`, {
    code: codeOfStatus(status),
    status,
  })
}
