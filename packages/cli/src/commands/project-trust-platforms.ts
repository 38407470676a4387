import { Option } from 'commander'
import { misuse } from '../failure.ts'

/** How a platform's template is filled from flags. Flags are without their dashes; fields are those of the broker. */
export interface PlatformFlags {
  readonly platform: string
  readonly flag: string
  readonly argument: string
  readonly about: string
  /** What the flag's own argument fills; two are split at the slash. */
  readonly fields: readonly [string] | readonly [string, string]
  readonly needs: Readonly<Record<string, string>>
  readonly takes: Readonly<Record<string, string>>
  readonly fixedAudience?: true
}

/** Every platform that has a template. */
export const platforms: readonly PlatformFlags[] = [
  {
    platform: 'github',
    flag: 'github',
    argument: '<owner/name>',
    about: 'GitHub Actions jobs of a repository, in a GitHub environment or by --ref with --workflow',
    fields: ['repository'],
    needs: { 'repository-id': 'repositoryId', 'owner-id': 'ownerId' },
    takes: {
      'github-environment': 'githubEnvironment',
      ref: 'ref',
      workflow: 'jobWorkflowRef',
      issuer: 'issuer',
    },
  },
  {
    platform: 'gitlab',
    flag: 'gitlab',
    argument: '<group/project>',
    about: 'GitLab CI/CD jobs of a project, in a protected environment on a protected ref',
    fields: ['project'],
    needs: { 'project-id': 'projectId', 'namespace-id': 'namespaceId' },
    takes: { 'gitlab-environment': 'gitlabEnvironment', 'gitlab-url': 'url' },
  },
  {
    platform: 'circleci',
    flag: 'circleci',
    argument: '<repository>',
    about: 'CircleCI jobs that build a ref of a repository (github.com/acme/shop)',
    fields: ['vcsOrigin'],
    needs: { 'org-id': 'organizationId', 'project-id': 'projectId', ref: 'ref' },
    takes: {},
  },
  {
    platform: 'buildkite',
    flag: 'buildkite',
    argument: '<pipeline-id>',
    about: 'Buildkite jobs of a pipeline, on a cluster or queue, or of a --branch',
    fields: ['pipelineId'],
    needs: { 'org-id': 'organizationId' },
    takes: {
      'cluster-id': 'clusterId',
      'queue-id': 'queueId',
      branch: 'branch',
      'build-source': 'buildSource',
    },
  },
  {
    platform: 'bitbucket',
    flag: 'bitbucket',
    argument: '<workspace>',
    about: 'Bitbucket Pipelines steps that deploy to an environment',
    fields: ['workspace'],
    needs: { 'repository-id': 'repositoryUuid', 'deployment-id': 'deploymentUuid' },
    takes: {},
  },
  {
    platform: 'hcp-terraform',
    flag: 'hcp-terraform',
    argument: '<workspace-id>',
    about: 'applies of an HCP Terraform workspace',
    fields: ['workspaceId'],
    needs: { 'org-id': 'organizationId' },
    takes: { 'terraform-url': 'url' },
  },
  {
    platform: 'vercel',
    flag: 'vercel',
    argument: '<project-id>',
    about: 'deployments of a Vercel project in a Vercel environment',
    fields: ['projectId'],
    needs: { 'owner-id': 'ownerId' },
    takes: { team: 'team', 'vercel-environment': 'vercelEnvironment' },
  },
  {
    platform: 'fly',
    flag: 'fly',
    argument: '<organization>',
    about: 'machines of a Fly.io app',
    fields: ['organization'],
    needs: { 'org-id': 'organizationId', 'app-id': 'appId' },
    takes: {},
  },
  {
    platform: 'trigger-dev',
    flag: 'trigger-dev',
    argument: '<organization>',
    about: 'Trigger.dev tasks with one subject',
    fields: ['organization'],
    needs: { subject: 'subject' },
    takes: {},
  },
  {
    platform: 'deno-deploy',
    flag: 'deno-deploy',
    argument: '<app-id>',
    about: 'a Deno Deploy app in one context',
    fields: ['appId'],
    needs: { 'org-id': 'organizationId', 'context-id': 'contextId' },
    takes: {},
  },
  {
    platform: 'google-cloud',
    flag: 'google-cloud',
    argument: '<address>',
    about: 'what runs as a Google service account',
    fields: ['serviceAccount'],
    needs: { 'service-account-id': 'serviceAccountId' },
    takes: {},
  },
  {
    platform: 'aws',
    flag: 'aws',
    argument: '<role-arn>',
    about: 'what runs as an AWS role',
    fields: ['roleArn'],
    needs: { issuer: 'issuer' },
    takes: {},
  },
  {
    platform: 'azure',
    flag: 'azure',
    argument: '<object-id>',
    about: 'a managed identity or service principal of a Microsoft Entra tenant',
    fields: ['objectId'],
    needs: { 'tenant-id': 'tenantId', 'application-id': 'applicationId' },
    takes: {},
  },
  {
    platform: 'kubernetes',
    flag: 'kubernetes',
    argument: '<namespace/name>',
    about: 'pods that run as a Kubernetes service account',
    fields: ['namespace', 'serviceAccount'],
    needs: { issuer: 'issuer', 'service-account-id': 'serviceAccountUid' },
    takes: {},
  },
  {
    platform: 'spiffe',
    flag: 'spiffe',
    argument: '<spiffe-id>',
    about: 'a SPIFFE workload',
    fields: ['spiffeId'],
    needs: { issuer: 'issuer' },
    takes: {},
  },
  {
    platform: 'modal',
    flag: 'modal',
    argument: '<app-id>',
    about: 'a Modal app in a Modal environment',
    fields: ['appId'],
    needs: { 'workspace-id': 'workspaceId', 'environment-id': 'environmentId' },
    takes: {},
    fixedAudience: true,
  },
  {
    platform: 'semaphore',
    flag: 'semaphore',
    argument: '<organization>',
    about: 'Semaphore pipeline jobs of a project on a ref',
    fields: ['organization'],
    needs: { 'org-id': 'organizationId', 'project-id': 'projectId', ref: 'ref' },
    takes: {},
    fixedAudience: true,
  },
  {
    platform: 'spacelift',
    flag: 'spacelift',
    argument: '<host>',
    about: 'tracked runs of a Spacelift stack',
    fields: ['host'],
    needs: { 'space-id': 'spaceId', stack: 'callerId' },
    takes: {},
    fixedAudience: true,
  },
]

/** What platforms ask for, once for all of them. */
const details: Readonly<Record<string, readonly [argument: string, about: string]>> = {
  'repository-id': ['<id>', 'id of the repository'],
  'owner-id': ['<id>', "id of the repository's or project's owner"],
  'github-api': [
    '<url>',
    'where GitHub is asked for ids that are not given (default: https://api.github.com)',
  ],
  'github-environment': ['<name>', 'the GitHub environment (default: that of --environment)'],
  'gitlab-environment': ['<name>', 'the GitLab environment (default: that of --environment)'],
  'gitlab-url': ['<url>', 'the GitLab instance (default: https://gitlab.com)'],
  'vercel-environment': ['<name>', 'the Vercel environment (default: that of --environment)'],
  'terraform-url': ['<url>', 'the Terraform Enterprise server (default: https://app.terraform.io)'],
  ref: ['<ref>', 'a whole git ref, such as refs/heads/main'],
  workflow: ['<path@ref>', 'acme/shop/.github/workflows/deploy.yml@refs/heads/main'],
  branch: ['<name>', 'the branch that is built'],
  'build-source': ['<source>', 'what started the build (default: webhook)'],
  'project-id': ['<id>', 'id of the project'],
  'namespace-id': ['<id>', "id of the project's namespace"],
  'org-id': ['<id>', 'id of the organization'],
  'app-id': ['<id>', 'id of the app'],
  'cluster-id': ['<id>', 'id of the cluster of agents'],
  'queue-id': ['<id>', 'id of the queue of agents'],
  'deployment-id': ['<uuid>', 'UUID of the deployment environment, in braces'],
  'context-id': ['<id>', 'id of the context'],
  'workspace-id': ['<id>', 'id of the workspace'],
  'environment-id': ['<id>', "id of the platform's environment"],
  'tenant-id': ['<uuid>', 'id of the tenant'],
  'application-id': ['<uuid>', 'id of the application that stands for the broker'],
  'service-account-id': ['<id>', 'numeric id (Google) or uid (Kubernetes) of the service account'],
  'space-id': ['<id>', 'id of the space'],
  stack: ['<id>', 'id of the stack'],
  team: ['<slug>', 'the team whose own issuer signs (default: the issuer that all teams share)'],
  subject: ['<sub>', 'the exact subject'],
}

/** Options as the command line gave them, by commander's names. */
export type GivenOptions = Readonly<Record<string, unknown>>

/** One option for each platform, and then one for each detail. */
export function platformOptions(): readonly Option[] {
  const own = platforms.map(({ flag, argument, about, needs, fixedAudience }) => {
    const asked = [...Object.keys(needs), ...(fixedAudience ? ['accept-fixed-audience'] : [])]
    const more =
      asked.length === 0 || flag === 'github' ? '' : `; needs ${asked.map((name) => `--${name}`).join(', ')}`
    return new Option(`--${flag} ${argument}`, `${about}${more}`).helpGroup(
      'Platforms (one of them, or --issuer with --claim):',
    )
  })
  const asked = Object.entries(details).map(([flag, [argument, about]]) =>
    new Option(`--${flag} ${argument}`, `${about} (${usersOf(flag).join(', ')})`).helpGroup(
      'What platforms ask for:',
    ),
  )
  const accept = new Option(
    '--accept-fixed-audience',
    'accept that tokens of this platform can be replayed by whoever else receives them',
  ).helpGroup('What platforms ask for:')
  return [...own, ...asked, accept]
}

function usersOf(flag: string): readonly string[] {
  if (flag === 'github-api') return ['github']
  return platforms
    .filter(({ needs, takes }) => Object.hasOwn(needs, flag) || Object.hasOwn(takes, flag))
    .map((one) => one.flag)
}

/** The text of a flag that was given, or undefined. */
export function textOf(options: GivenOptions, flag: string): string | undefined {
  const value = options[flag.replace(/-[a-z]/g, (part) => part.slice(1).toUpperCase())]
  return typeof value === 'string' ? value : undefined
}

/**
 * The platform that was asked for, or undefined for a rule spelled out by issuer and claims.
 *
 * @throws {Failure} exit 2 naming the flag that does not belong to it.
 */
export function chosenPlatform(options: GivenOptions): PlatformFlags | undefined {
  const [chosen, second] = platforms.filter(({ flag }) => textOf(options, flag) !== undefined)
  if (second !== undefined)
    throw misuse(`--${chosen?.flag} and --${second.flag}: one rule is for one platform`)
  const used = chosen === undefined ? {} : { ...chosen.needs, ...chosen.takes }
  for (const flag of [...Object.keys(details), 'issuer']) {
    const belongs =
      Object.hasOwn(used, flag) ||
      (flag === 'github-api' && chosen?.flag === 'github') ||
      (flag === 'issuer' && chosen === undefined)
    if (textOf(options, flag) !== undefined && !belongs) {
      throw misuse(
        chosen === undefined
          ? `--${flag} needs a platform (${usersOf(flag)
              .map((one) => `--${one}`)
              .join(', ')})`
          : `--${flag} does not belong to --${chosen.flag}`,
      )
    }
  }
  if (options.acceptFixedAudience === true && chosen?.fixedAudience !== true) {
    throw misuse(
      '--accept-fixed-audience is for platforms with one audience only: --modal, --semaphore, --spacelift',
    )
  }
  return chosen
}

/**
 * The body's `template`, from flags.
 *
 * @throws {Failure} exit 2 naming the flag that is missing.
 */
export function templateOf(chosen: PlatformFlags, options: GivenOptions): Record<string, unknown> {
  const missing = Object.keys(chosen.needs).find((flag) => textOf(options, flag) === undefined)
  if (missing !== undefined) throw misuse(`--${chosen.flag} needs --${missing}`)
  if (chosen.fixedAudience && options.acceptFixedAudience !== true) {
    throw misuse(
      `--${chosen.flag} needs --accept-fixed-audience`,
      'Its tokens have an audience that nobody can choose: whoever receives one elsewhere can replay it here.',
    )
  }
  const others = Object.entries({ ...chosen.needs, ...chosen.takes }).flatMap(([flag, field]) => {
    const value = textOf(options, flag)
    return value === undefined ? [] : [[field, value] as const]
  })
  return {
    platform: chosen.platform,
    ...ownFields(chosen, textOf(options, chosen.flag) ?? ''),
    ...Object.fromEntries(others),
    ...(chosen.fixedAudience ? { acceptFixedAudience: true } : {}),
  }
}

function ownFields({ flag, argument, fields }: PlatformFlags, value: string): Record<string, string> {
  const [first, second] = fields
  if (second === undefined) return { [first]: value }
  const [one = '', two = '', ...more] = value.split('/')
  if (one === '' || two === '' || more.length > 0) throw misuse(`--${flag} must be ${argument.slice(1, -1)}`)
  return { [first]: one, [second]: two }
}
