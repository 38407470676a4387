import { uuid } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Microsoft Entra: a managed identity or service principal, one for each environment, by tenant and object id, with tokens
 * of version 2 for one application of the tenant, which stands for the broker. Their `aud` is that application's id,
 * whatever URI they were asked for by; `azp` is the caller's own, which `oid` says already. Tokens of version 1, an
 * application's default, have another issuer and need a rule that is spelled out.
 *
 * Tokens may live a day and some minutes; they are accepted for a day after they were issued.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
export const azure: TrustTemplate = defineTemplate({
  platform: 'azure',
  title: 'Azure',
  fields: { tenantId: uuid, objectId: uuid, applicationId: uuid },
  fill: ({ tenantId, objectId, applicationId }) => ({
    issuer: `https://login.microsoftonline.com/${tenantId}/v2.0`,
    audience: applicationId,
    claims: { tid: tenantId, oid: objectId },
    maxAgeSeconds: 86_400,
    words: [
      `The managed identity or service principal ${objectId} of the Entra tenant ${tenantId}, with tokens of version 2 for the application ${applicationId}.`,
      'Not: others of the tenant, other tenants, and tokens of version 1.',
    ],
    weaknesses: ['Its tokens may live up to a day.'],
  }),
})
