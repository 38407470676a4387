import { opaqueId } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/** Deno Deploy. Organization, app and context (production, preview, …) by their ids. Tokens live five minutes. */
export const denoDeploy: TrustTemplate = defineTemplate({
  platform: 'deno-deploy',
  title: 'Deno Deploy',
  fields: { organizationId: opaqueId, appId: opaqueId, contextId: opaqueId },
  fill: ({ organizationId, appId, contextId }) => ({
    issuer: 'https://oidc.deno.com',
    claims: { org_id: organizationId, app_id: appId, context_id: contextId },
    maxAgeSeconds: 600,
    words: [
      `The Deno Deploy app ${appId} (organization ${organizationId}) in the context ${contextId}.`,
      'Not: its other contexts.',
    ],
  }),
})
