import type { AudienceOptions, FakePlatform } from './fake-platform.ts'
import { startVariablePlatform } from './token-in-variable.ts'

const repository = '{b1e0c3d4-0000-4000-8000-000000000001}'
const deployment = '{b1e0c3d4-0000-4000-8000-000000000002}'
const step = '{b1e0c3d4-0000-4000-8000-000000000003}'

/**
 * A deployment step of Bitbucket Pipelines with `oidc: { audiences: […] }`. Its audience is a list of one. How long its
 * token lives is not documented: here an hour.
 *
 * @see https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/
 */
export function startBitbucket(options: AudienceOptions): Promise<FakePlatform> {
  const description = {
    algorithm: 'RS256',
    issuerPath: '/2.0/workspaces/acme/pipelines-config/identity/oidc',
    lifetimeSeconds: 3_600,
    listsAudience: true,
    claims: {
      sub: `${repository}:${deployment}:${step}`,
      repositoryUuid: repository,
      stepUuid: step,
      pipelineUuid: '{b1e0c3d4-0000-4000-8000-000000000004}',
      workspaceUuid: '{b1e0c3d4-0000-4000-8000-000000000005}',
      branchName: 'main',
    },
  } as const
  const variables = { CI: 'true', BITBUCKET_BUILD_NUMBER: '1', BITBUCKET_REPO_UUID: repository }
  const { audience } = options
  return startVariablePlatform(
    { description, variable: 'BITBUCKET_STEP_OIDC_TOKEN', audience, variables },
    options,
  )
}
