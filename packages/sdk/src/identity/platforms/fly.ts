import { fetchOverSocket } from '../fetch-over-socket.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { mint } from '../mint.ts'

const defaultSocketPath = '/.fly/api'

/**
 * The OIDC token of a Fly Machine (10 minutes), asked for over the machine's own socket.
 *
 * @see https://fly.io/docs/security/openid-connect/
 */
export const obtainFromFly: ObtainIdentity = (_values, context) => requestFlyToken(defaultSocketPath, context)

export function requestFlyToken(socketPath: string, context: Parameters<ObtainIdentity>[1]): Promise<string> {
  const body = { aud: context.destination.audience }
  return mint(
    `Fly.io (socket ${socketPath})`,
    { url: 'http://localhost/v1/tokens/oidc', method: 'POST', body },
    ({ text }) => text.trim(),
    { ...context, fetch: fetchOverSocket(socketPath, 'the identity of Fly.io') },
  )
}
