import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { jsonBody } from './http-server.ts'
import { startPlatform } from './start-platform.ts'

const agentToken = 'agent-token-of-the-job'
const job = '0190a1b2-0000-4000-8000-000000000001'

// In a token only where the job asks for them.
const onRequest: Readonly<Record<string, string>> = {
  organization_id: '0190a1b2-0000-4000-8000-000000000002',
  pipeline_id: '0190a1b2-0000-4000-8000-000000000003',
  cluster_id: '0190a1b2-0000-4000-8000-000000000004',
  queue_id: '0190a1b2-0000-4000-8000-000000000005',
}

/**
 * A Buildkite job, with the agent API. Tokens live five minutes unless the job asks for more; ids that do not change
 * are in them only where the job asks for those.
 *
 * @see https://buildkite.com/docs/agent/v3/cli-oidc
 */
export async function startBuildkite(options: PlatformOptions = {}): Promise<FakePlatform> {
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      lifetimeSeconds: 300,
      earlySeconds: 0,
      claims: {
        sub: 'organization:acme:pipeline:website:ref:refs/heads/main:commit:4f1c6a0e:step:deploy',
        organization_slug: 'acme',
        pipeline_slug: 'website',
        build_number: 1,
        build_branch: 'main',
        build_commit: '4f1c6a0e5d7b3a2918c0ffee4f1c6a0e5d7b3a29',
        build_source: 'webhook',
        step_key: 'deploy',
        job_id: job,
        agent_id: '0190a1b2-0000-4000-8000-000000000006',
        runner_environment: 'self-hosted',
        ...onRequest,
      },
      fixedAddresses: ['https://agent.buildkite.com'],
      answer({ method, url, headers, text }, { mint }) {
        if (method !== 'POST' || url.pathname !== `/v3/jobs/${job}/oidc/tokens`) return undefined
        if (headers.authorization !== `Token ${agentToken}`) return { status: 401 }
        const { audience = 'https://buildkite.com/acme', claims } = jsonBody(text)
        const asked = Array.isArray(claims) ? claims.map(String) : []
        const unasked = Object.keys(onRequest).filter((name) => !asked.includes(name))
        const without = Object.fromEntries(unasked.map((name) => [name, undefined]))
        return { body: { token: mint(String(audience), without) } }
      },
    },
    options,
  )
  return {
    ...core,
    environment: {
      CI: 'true',
      BUILDKITE: 'true',
      BUILDKITE_JOB_ID: job,
      BUILDKITE_AGENT_ACCESS_TOKEN: agentToken,
      BUILDKITE_AGENT_ENDPOINT: `${core.url}/v3`,
    },
  }
}
