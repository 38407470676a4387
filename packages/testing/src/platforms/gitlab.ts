import type { AudienceOptions, FakePlatform } from './fake-platform.ts'
import { startVariablePlatform } from './token-in-variable.ts'

/** The job's YAML: `id_tokens: { NAME: { aud: … } }`. */
export interface GitlabOptions extends AudienceOptions {
  /** The name in the YAML. Default `VALETKEY_ID_TOKEN`. */
  readonly variable?: string
}

/**
 * A GitLab job on a protected branch, for the protected environment `production`. Its token lives as long as the job
 * may, here an hour.
 *
 * @see https://docs.gitlab.com/ci/secrets/id_token_authentication/
 */
export function startGitlab(options: GitlabOptions): Promise<FakePlatform> {
  const { audience, variable = 'VALETKEY_ID_TOKEN' } = options
  const description = {
    algorithm: 'RS256',
    lifetimeSeconds: 3_600,
    earlySeconds: 5,
    hasTokenId: true,
    claims: {
      sub: 'project_path:acme/website:ref_type:branch:ref:main',
      namespace_id: '72',
      namespace_path: 'acme',
      project_id: '20',
      project_path: 'acme/website',
      job_project_id: '20',
      job_project_path: 'acme/website',
      job_namespace_id: '72',
      job_namespace_path: 'acme',
      user_id: '1',
      user_login: 'robin',
      pipeline_id: '574',
      pipeline_source: 'push',
      job_id: '302',
      ref: 'main',
      ref_type: 'branch',
      ref_path: 'refs/heads/main',
      ref_protected: 'true',
      environment: 'production',
      environment_protected: 'true',
      runner_environment: 'gitlab-hosted',
    },
  } as const
  const variables = { CI: 'true', GITLAB_CI: 'true', CI_PROJECT_ID: '20', CI_JOB_ID: '302' }
  return startVariablePlatform({ description, variable, audience, variables }, options)
}
