import type { ObtainIdentity } from '../identity-source.ts'
import { gaveNone, jsonField, mint, platformAddress } from '../mint.ts'

const platform = 'Buildkite'
const defaultEndpoint = 'https://agent.buildkite.com/v3'

// Names of organizations and pipelines change; these do not, and are in a token only when they are asked for.
const claims = ['organization_id', 'pipeline_id', 'cluster_id', 'queue_id']

/**
 * The OIDC token of a Buildkite job (5 minutes), asked of the agent API as the agent's own command does.
 *
 * @see https://buildkite.com/docs/agent/v3/cli-oidc
 */
export const obtainFromBuildkite: ObtainIdentity = ([job = '', agentToken = '', endpoint = ''], context) => {
  if (job === '' || agentToken === '')
    throw gaveNone(
      platform,
      'BUILDKITE_JOB_ID and BUILDKITE_AGENT_ACCESS_TOKEN are not both set; pass them on to this process',
    )
  const base = platformAddress(endpoint || defaultEndpoint, 'BUILDKITE_AGENT_ENDPOINT')
  const url = `${base.href.replace(/\/+$/, '')}/jobs/${encodeURIComponent(job)}/oidc/tokens`
  const headers = { authorization: `Token ${agentToken}` }
  const body = { audience: context.destination.audience, lifetime: 300, claims }
  return mint(platform, { url, method: 'POST', headers, body }, jsonField('token'), context)
}
