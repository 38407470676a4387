import {
  type FakeFly,
  type FakePlatform,
  startAws,
  startAzure,
  startBitbucket,
  startBuildkite,
  startCircleci,
  startFly,
  startGithubActions,
  startGitlab,
  startGoogleCloud,
  startHcpTerraform,
  startKubernetes,
  startModal,
  startSemaphore,
  startSpacelift,
  startSpiffe,
  startTriggerDev,
  startVercel,
} from '@valetkey/testing/platforms'
import { brokerUrl } from '../../test-support/fakes.ts'
import { type Workload, type WorkloadOptions, workloadOn } from './workload.ts'

/** A platform and how the SDK knows it. */
export interface PlatformCase {
  /** What `VALETKEY_IDENTITY` calls it. */
  readonly source: string
  /** What messages call it. */
  readonly title: string
  /** `http`, or `command`: it is asked. Otherwise its token lies there. */
  readonly by: 'http' | 'command' | 'variable' | 'file'
  readonly start: () => Promise<FakePlatform>
  /** What its tokens are for. Default the issuing point. */
  readonly audience?: string
  /** The audience is the platform's and nobody's choice. */
  readonly isFixed?: true
}

const forBroker = { audience: brokerUrl }

/** All but Deno Deploy, which is a package of the app's and has a test of its own. */
export const everyPlatform: readonly PlatformCase[] = [
  { source: 'github-actions', title: 'GitHub Actions', by: 'http', start: () => startGithubActions() },
  {
    source: 'gitlab',
    title: 'GitLab CI',
    by: 'variable',
    start: () => startGitlab({ ...forBroker, variable: 'HTTPS___BROKER_EXAMPLE_ID_TOKEN' }),
  },
  { source: 'circleci', title: 'CircleCI', by: 'command', start: () => startCircleci() },
  { source: 'buildkite', title: 'Buildkite', by: 'http', start: () => startBuildkite() },
  {
    source: 'bitbucket',
    title: 'Bitbucket Pipelines',
    by: 'variable',
    start: () => startBitbucket(forBroker),
  },
  {
    source: 'hcp-terraform',
    title: 'HCP Terraform',
    by: 'variable',
    start: () => startHcpTerraform({ ...forBroker, tag: 'VALETKEY' }),
  },
  {
    source: 'semaphore',
    title: 'Semaphore',
    by: 'variable',
    start: () => startSemaphore(),
    audience: 'https://acme.semaphoreci.com',
    isFixed: true,
  },
  {
    source: 'spacelift',
    title: 'Spacelift',
    by: 'variable',
    start: () => startSpacelift(),
    audience: 'acme.app.spacelift.io',
    isFixed: true,
  },
  { source: 'vercel', title: 'Vercel', by: 'http', start: () => startVercel() },
  { source: 'fly', title: 'Fly.io', by: 'http', start: () => startFly() },
  { source: 'trigger-dev', title: 'Trigger.dev', by: 'http', start: () => startTriggerDev() },
  {
    source: 'modal',
    title: 'Modal',
    by: 'variable',
    start: () => startModal(),
    audience: 'oidc.modal.com',
    isFixed: true,
  },
  { source: 'spiffe', title: 'SPIFFE', by: 'file', start: () => startSpiffe(forBroker) },
  { source: 'kubernetes', title: 'Kubernetes', by: 'file', start: () => startKubernetes(forBroker) },
  { source: 'google-cloud', title: 'Google Cloud', by: 'http', start: () => startGoogleCloud() },
  {
    source: 'azure',
    title: 'Azure',
    by: 'http',
    start: () => startAzure(),
    audience: '0d1e2f30-0000-4000-8000-000000000003',
  },
  { source: 'aws', title: 'AWS', by: 'http', start: () => startAws() },
]

/** What of a fake's environment the SDK does not read itself: the AWS SDK and the search for commands do. */
export const readByOthers: readonly string[] = [
  'PATH',
  'AWS_REGION',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_ENDPOINT_URL_STS',
]

/** A workload on any of them. */
export function workloadOnAny(platform: FakePlatform, options: WorkloadOptions = {}): Workload {
  const { socketPath } = platform as Partial<FakeFly>
  return workloadOn(platform, socketPath === undefined ? options : { ...options, flySocket: socketPath })
}
