import type { IssuingPoint } from '../issuing-point/issuing-point.ts'
import { askServer } from './ask-server.ts'
import { checkConfig } from './check-config.ts'
import { discoverServer } from './discover-server.ts'
import { findOnce } from './find-once.ts'
import { readAnswer } from './read-answer.ts'
import { exchangeParameters } from './request-parameters.ts'
import type { TokenExchangeConfig } from './types.ts'

/**
 * Returns an issuing point that is any server of RFC 8693, for `createClient({ issuingPoint })`. Does no I/O.
 *
 * The identity is the `subject_token`, the connector the `audience`. What a server publishes about itself is read with
 * the first call and kept for the life of the object; a failure is not kept. Revoking, consent and the description of
 * connectors have no place in RFC 8693: those calls are refused with `invalid_request`.
 *
 * @throws {ConnectError} `invalid_request` for an unknown or malformed option.
 * @see docs/token-exchange.md
 */
export function tokenExchange(config: TokenExchangeConfig): IssuingPoint {
  const checked = checkConfig(config)
  const { id, audience, origin, issuer, tokenEndpoint } = checked
  const findServer =
    tokenEndpoint === undefined
      ? findOnce((transport) => discoverServer(checked, transport))
      : async () => ({ issuer, token_endpoint: tokenEndpoint })
  return {
    id,
    audience,
    origin,
    async issueToken(connector, request, call) {
      // First of all: what is refused here needs no server.
      const parameters = exchangeParameters(checked, connector, request, call.credential)
      const server = await findServer(call)
      const { answer, sentAtMs } = await askServer(checked, server, parameters.form, request, call)
      return readAnswer(checked, connector, request, { ...parameters, sentAtMs }, answer)
    },
  }
}
