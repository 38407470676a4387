import { opaqueId, slug } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Fly.io. Organization and app by their ids; the issuer only names the organization. Fly has no environments: give each
 * environment an app of its own, which is what this pins. Tokens live ten minutes.
 */
export const fly: TrustTemplate = defineTemplate({
  platform: 'fly',
  title: 'Fly.io',
  fields: { organization: slug, organizationId: opaqueId, appId: opaqueId },
  fill: ({ organization, organizationId, appId }, { environment }) => ({
    issuer: `https://oidc.fly.io/${organization}`,
    claims: { org_id: organizationId, app_id: appId },
    maxAgeSeconds: 600,
    words: [
      `Machines of the Fly.io app ${appId} (organization ${organization}, ${organizationId}): the whole app is "${environment}".`,
      'Not: other apps of the organization, or an app that gets its name later.',
    ],
  }),
})
