import type { Hono } from 'hono'
import { checkpointKeys } from '../manage/audit.ts'
import type { Environment } from './exchange.ts'

/**
 * Public keys: of audit checkpoints and attestations, and of the development issuer with its discovery document
 * (OpenID Discovery §4).
 */
export function addWellKnownRoutes(app: Hono<Environment>): void {
  app.get('/.well-known/jwks.json', (exchange) => {
    const broker = exchange.get('broker')
    return exchange.json({ keys: [...checkpointKeys(broker).keys, broker.attestationKey.publicJwk] })
  })

  app.get('/development/.well-known/openid-configuration', (exchange) => {
    const { issuer } = exchange.get('broker').developmentIssuer
    return exchange.json({
      issuer,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    })
  })
  app.get('/development/jwks', (exchange) =>
    exchange.json({ keys: [exchange.get('broker').developmentKey.publicJwk] }),
  )
}
