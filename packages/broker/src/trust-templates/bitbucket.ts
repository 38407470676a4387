import { bracedUuid, slug } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Bitbucket Pipelines. The repository by its UUID, because the issuer only names the workspace. The deployment environment
 * is pinned in `sub`, which is `{repository}:{environment}:{step}` for a deployment step and has a part fewer for others;
 * no claim of its own is documented for it. The step's UUID is new with every run: the only part left open.
 *
 * How long tokens live is not documented: more than an hour is not accepted.
 */
export const bitbucket: TrustTemplate = defineTemplate({
  platform: 'bitbucket',
  title: 'Bitbucket Pipelines',
  fields: { workspace: slug, repositoryUuid: bracedUuid, deploymentUuid: bracedUuid },
  fill: ({ workspace, repositoryUuid, deploymentUuid }) => ({
    issuer: `https://api.bitbucket.org/2.0/workspaces/${workspace}/pipelines-config/identity/oidc`,
    claims: { repositoryUuid, sub: `${repositoryUuid}:${deploymentUuid}:*` },
    maxAgeSeconds: 3_600,
    words: [
      `Steps of the repository ${repositoryUuid} in the Bitbucket workspace ${workspace} that deploy to the environment ${deploymentUuid}.`,
      'Not: steps without a deployment, which pull requests run.',
    ],
  }),
})
