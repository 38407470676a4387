import { opaqueId, prefixedId, slug } from './shapes.ts'
import { defineTemplate, optional, type TrustTemplate } from './template.ts'

/**
 * Vercel. Owner and project by their ids, because all teams share their keys and the team in the issuer is a name. Without
 * `team` the issuer is the one that all teams share. Development tokens lie on laptops and live half a day: they, and
 * previews, are never production.
 */
export const vercel: TrustTemplate = defineTemplate({
  platform: 'vercel',
  title: 'Vercel',
  fields: {
    ownerId: opaqueId,
    projectId: prefixedId('prj_', /^prj_[A-Za-z0-9]{4,64}$/),
    team: optional(slug),
    vercelEnvironment: optional(slug),
  },
  fill({ ownerId, projectId, team, vercelEnvironment: named }, { environment }) {
    const vercelEnvironment = named ?? environment
    if (environment.toLowerCase() === 'production' && vercelEnvironment !== 'production') {
      return `vercelEnvironment: deployments of "${vercelEnvironment}" are not production`
    }
    const onLaptops = vercelEnvironment === 'development'
    return {
      issuer: team === undefined ? 'https://oidc.vercel.com' : `https://oidc.vercel.com/${team}`,
      claims: { owner_id: ownerId, project_id: projectId, environment: vercelEnvironment },
      maxAgeSeconds: onLaptops ? 43_200 : 3_600,
      words: [
        `Deployments of the Vercel project ${projectId} (owner ${ownerId}) in the Vercel environment "${vercelEnvironment}".`,
        'Not: its other environments, or another project that gets its name.',
      ],
      ...(onLaptops
        ? {
            weaknesses: [
              'Vercel hands development tokens to laptops, where they lie in files for half a day.',
            ],
          }
        : {}),
    }
  },
})
