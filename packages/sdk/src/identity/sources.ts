import type { IdentitySource } from './identity-source.ts'

/** A row of {@link identitySources}. */
export interface SourceRow extends IdentitySource {
  /** The variables whose values it needs; for a given one, the first that is set holds the credential. */
  readonly reads: readonly string[]
  /** Its variables are the operator's own: what they bring has its rules about where it goes. */
  readonly isOperators: boolean
  /** Any of these shows that the process runs there. Where there are none, only `VALETKEY_IDENTITY` chooses it. */
  readonly shownBy: readonly string[]
}

/** The variable holds the credential. */
const given = true

/** The source is asked for one, each time. */
const minted = false

/** Nothing shows it: a credential that others may replay, or an address that answers on many machines. */
const onlyByName = ''

/**
 * Every ambient identity source, in the order in which they are asked; the first that matches decides. What an
 * operator set comes first, then platforms from the innermost outwards (a job before the machine that runs it), then
 * the access token, which is no platform's.
 *
 * A table and not a list of modules: it is loaded at once by every application, so it holds what finds a source and
 * nothing else. `*` stands for the issuing point's address in capitals, everything else in it as `_`.
 */
export const identitySources: readonly SourceRow[] = [
  row('id-token', given, 'VALETKEY_ID_TOKEN'),
  row('id-token-file', minted, 'VALETKEY_ID_TOKEN_FILE'),
  row('id-token-command', minted, 'VALETKEY_ID_TOKEN_COMMAND'),
  row(
    'github-actions',
    minted,
    'ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN',
    'GITHUB_ACTIONS ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  ),
  row('gitlab', given, '*_ID_TOKEN', 'GITLAB_CI'),
  row('circleci', minted, 'CIRCLE_WORKFLOW_JOB_ID', 'CIRCLECI'),
  row(
    'buildkite',
    minted,
    'BUILDKITE_JOB_ID BUILDKITE_AGENT_ACCESS_TOKEN BUILDKITE_AGENT_ENDPOINT',
    'BUILDKITE',
  ),
  row('bitbucket', given, 'BITBUCKET_STEP_OIDC_TOKEN', 'BITBUCKET_BUILD_NUMBER BITBUCKET_STEP_OIDC_TOKEN'),
  row(
    'hcp-terraform',
    given,
    'TFC_WORKLOAD_IDENTITY_TOKEN_VALETKEY TFC_WORKLOAD_IDENTITY_TOKEN',
    'TFC_RUN_ID TFC_WORKLOAD_IDENTITY_TOKEN',
  ),
  row('semaphore', given, 'SEMAPHORE_OIDC_TOKEN', onlyByName),
  row('spacelift', minted, 'SPACELIFT_OIDC_TOKEN', onlyByName),
  row('vercel', given, 'VERCEL_OIDC_TOKEN', 'VERCEL VERCEL_OIDC_TOKEN'),
  row('deno-deploy', minted, 'DENO_DEPLOYMENT_ID', 'DENO_DEPLOY'),
  row('fly', minted, 'FLY_APP_NAME FLY_MACHINE_ID'),
  row('trigger-dev', minted, 'TRIGGER_API_URL TRIGGER_RUN_TOKEN', 'TRIGGER_RUN_TOKEN'),
  row('modal', given, 'MODAL_IDENTITY_TOKEN', onlyByName),
  row('spiffe', minted, 'VALETKEY_SPIFFE_TOKEN_FILE'),
  row('kubernetes', minted, 'VALETKEY_KUBERNETES_TOKEN_FILE'),
  row(
    'google-cloud',
    minted,
    'GCE_METADATA_HOST',
    'K_SERVICE CLOUD_RUN_JOB FUNCTION_TARGET GAE_SERVICE GCE_METADATA_HOST',
  ),
  row(
    'azure',
    minted,
    'VALETKEY_AZURE_RESOURCE IDENTITY_ENDPOINT IDENTITY_HEADER AZURE_CLIENT_ID VALETKEY_IDENTITY',
    'VALETKEY_AZURE_RESOURCE',
  ),
  row('aws', minted, 'AWS_REGION AWS_DEFAULT_REGION AWS_PROFILE AWS_ROLE_ARN AWS_ACCESS_KEY_ID', onlyByName),
  row('access-token', given, 'VALETKEY_ACCESS_TOKEN'),
]

function row(name: string, holdsCredential: boolean, reads: string, shownBy: string = reads): SourceRow {
  return {
    name,
    partition: holdsCredential ? 'given' : name,
    isOperators: reads.startsWith('VALETKEY_'),
    reads: reads.split(' '),
    shownBy: shownBy.split(' ').filter(Boolean),
  }
}
