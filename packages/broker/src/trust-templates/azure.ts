import { uuid } from './shapes.ts'
import { defineTemplate, optional, type TrustTemplate } from './template.ts'

/**
 * Microsoft Entra: a managed identity or service principal, one for each environment, by tenant and object id. The
 * audience is what an app of the tenant is registered with: set `audience` where that is not the broker's URL. Never that
 * of Azure's own management API.
 *
 * Tokens may live a day and some minutes; they are accepted for a day after they were issued.
 */
export const azure: TrustTemplate = defineTemplate({
  platform: 'azure',
  title: 'Azure',
  fields: { tenantId: uuid, objectId: uuid, applicationId: optional(uuid) },
  fill: ({ tenantId, objectId, applicationId }) => ({
    issuer: `https://login.microsoftonline.com/${tenantId}/v2.0`,
    claims: { tid: tenantId, oid: objectId, ...(applicationId === undefined ? {} : { azp: applicationId }) },
    maxAgeSeconds: 86_400,
    words: [
      `The managed identity or service principal ${objectId} of the Entra tenant ${tenantId}.`,
      'Not: others of the tenant, and other tenants.',
    ],
    weaknesses: ['Its tokens may live up to a day.'],
  }),
})
