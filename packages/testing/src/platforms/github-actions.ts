import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startPlatform } from './start-platform.ts'

const requestToken = 'request-token-of-the-job'

/**
 * A GitHub Actions job with `permissions: id-token: write`, in the environment `production`. Tokens live five minutes.
 *
 * @see https://docs.github.com/actions/reference/security/oidc
 */
export async function startGithubActions(options: PlatformOptions = {}): Promise<FakePlatform> {
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      lifetimeSeconds: 300,
      earlySeconds: 600,
      hasTokenId: true,
      claims: {
        sub: 'repo:acme/website:environment:production',
        repository: 'acme/website',
        repository_id: '123456789',
        repository_owner: 'acme',
        repository_owner_id: '42',
        repository_visibility: 'private',
        environment: 'production',
        event_name: 'push',
        ref: 'refs/heads/main',
        ref_type: 'branch',
        sha: '4f1c6a0e5d7b3a2918c0ffee4f1c6a0e5d7b3a29',
        workflow: 'deploy',
        workflow_ref: 'acme/website/.github/workflows/deploy.yml@refs/heads/main',
        job_workflow_ref: 'acme/website/.github/workflows/deploy.yml@refs/heads/main',
        actor: 'octocat',
        actor_id: '583231',
        run_id: '1001',
        run_attempt: '1',
        runner_environment: 'github-hosted',
      },
      answer({ method, url, headers }, { mint }) {
        if (method !== 'GET' || url.pathname !== '/idtoken') return undefined
        if (headers.authorization !== `Bearer ${requestToken}`) return { status: 401 }
        const audience = url.searchParams.get('audience') ?? 'https://github.com/acme'
        return { body: { count: 1, value: mint(audience) } }
      },
    },
    options,
  )
  return {
    ...core,
    environment: {
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: 'acme/website',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${core.url}/idtoken?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken,
    },
  }
}
