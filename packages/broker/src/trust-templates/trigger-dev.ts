import { anyText, slug } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Trigger.dev. The whole `sub`, which is one environment's; how it is composed and whether it holds ids is not documented.
 * How long tokens live is not either: more than an hour is not accepted.
 */
export const triggerDev: TrustTemplate = defineTemplate({
  platform: 'trigger-dev',
  title: 'Trigger.dev',
  fields: { organization: slug, subject: anyText },
  fill: ({ organization, subject }) => ({
    issuer: `https://oidc.trigger.dev/${organization}`,
    claims: { sub: subject },
    maxAgeSeconds: 3_600,
    words: [`Tasks of the Trigger.dev organization ${organization} whose subject is exactly "${subject}".`],
    weaknesses: ['The organization is known by its name alone, which somebody else may get after you.'],
  }),
})
