import { url } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * A SPIFFE workload by its whole ID. JWT-SVIDs need not name an issuer: SPIRE writes one if `jwt_issuer` is set, and
 * publishes its keys by the OIDC discovery provider. They live five minutes; more than ten is not accepted.
 */
export const spiffe: TrustTemplate = defineTemplate({
  platform: 'spiffe',
  title: 'SPIFFE',
  fields: {
    issuer: url,
    spiffeId: {
      what: 'a SPIFFE ID with a path, such as spiffe://example.org/shop/production',
      pattern: /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]{1,255}){1,16}$/,
    },
  },
  fill: ({ issuer, spiffeId }) => ({
    issuer,
    claims: { sub: spiffeId },
    maxAgeSeconds: 600,
    words: [`The workload ${spiffeId}, as ${issuer} attests it.`, 'Not: other IDs of the trust domain.'],
  }),
})
