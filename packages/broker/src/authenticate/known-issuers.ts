import type { Algorithm } from './algorithms.ts'
import { matchesPattern } from './claim-pattern.ts'

/** How a platform writes `sub`, as far as a rule must pin it. */
export interface SubjectShape {
  /** What a rule's `sub` must begin with: other forms are chosen by whoever holds the token. */
  readonly prefixes: readonly string[]
  readonly separator: ':' | '/'
  /** How many leading segments name the tenant and project: no `*` in them. */
  readonly literalSegments: number
}

/** What is known of a platform's issuer before its discovery document is read. */
export interface KnownIssuer {
  readonly platform: string
  /** Patterns of issuers, with `*` as in claims. */
  readonly issuers: readonly string[]
  /** Pinned; absent where the platform doesn't say. */
  readonly algorithms?: readonly Algorithm[]
  /** Sets of claims with ids that the platform never gives out twice; any one set identifies. */
  readonly ids: readonly (readonly string[])[]
  /**
   * Its tokens may live longer than any rule allows: a rule's `maxAgeSeconds` limits how long ago one was issued instead of
   * how long it lives.
   */
  readonly longLived?: true
  /** `literal`: no `*` at all. */
  readonly subject: SubjectShape | 'literal'
}

/**
 * Platforms whose issuer signs for many tenants, so that a loose `sub` would admit strangers. Sources: the
 * workload identity fact sheet. An issuer that is not here needs a `sub` that says something.
 */
const knownIssuers: readonly KnownIssuer[] = [
  {
    platform: 'GitHub Actions',
    issuers: ['https://token.actions.githubusercontent.com', 'https://token.actions.githubusercontent.com/*'],
    algorithms: ['RS256'],
    ids: [['repository_id']],
    // The template of `sub` is the repository's to choose: only forms that begin with the repository or its
    // owner are bound to them. `environment:production` could be anyone's. The immutable form
    // `repo:owner@1/name@2:…` begins the same way.
    subject: {
      prefixes: ['repo:', 'repository:', 'repository_id:', 'repository_owner:', 'repository_owner_id:'],
      separator: ':',
      literalSegments: 2,
    },
  },
  {
    platform: 'GitHub Enterprise',
    issuers: ['https://token.actions.*.ghe.com', 'https://*/_services/token'],
    ids: [['repository_id']],
    subject: {
      prefixes: ['repo:', 'repository:', 'repository_id:', 'repository_owner:', 'repository_owner_id:'],
      separator: ':',
      literalSegments: 2,
    },
  },
  {
    platform: 'Vercel',
    issuers: ['https://oidc.vercel.com', 'https://oidc.vercel.com/*'],
    algorithms: ['RS256'],
    ids: [['project_id', 'owner_id']],
    subject: { prefixes: ['owner:'], separator: ':', literalSegments: 4 },
  },
  {
    platform: 'GitLab.com',
    issuers: ['https://gitlab.com'],
    algorithms: ['RS256'],
    ids: [['project_id']],
    subject: { prefixes: ['project_path:'], separator: ':', literalSegments: 2 },
  },
  {
    platform: 'CircleCI',
    issuers: ['https://oidc.circleci.com', 'https://oidc.circleci.com/org/*'],
    ids: [['oidc.circleci.com/project-id']],
    subject: { prefixes: ['org/'], separator: '/', literalSegments: 4 },
  },
  {
    platform: 'Buildkite',
    issuers: ['https://agent.buildkite.com'],
    ids: [['organization_id', 'pipeline_id']],
    subject: { prefixes: ['organization:'], separator: ':', literalSegments: 4 },
  },
  {
    platform: 'Bitbucket Pipelines',
    issuers: ['https://api.bitbucket.org/2.0/workspaces/*/pipelines-config/identity/oidc'],
    ids: [['repositoryUuid']],
    subject: { prefixes: ['{'], separator: ':', literalSegments: 1 },
  },
  {
    platform: 'HCP Terraform',
    issuers: ['https://app.terraform.io'],
    algorithms: ['RS256'],
    ids: [['terraform_organization_id', 'terraform_workspace_id']],
    subject: { prefixes: ['organization:'], separator: ':', literalSegments: 4 },
  },
  {
    platform: 'Depot CI',
    issuers: ['https://identity.depot.dev'],
    ids: [['org_id', 'repository_id']],
    subject: 'literal',
  },
  {
    platform: 'Fly.io',
    issuers: ['https://oidc.fly.io/*'],
    ids: [['org_id', 'app_id']],
    subject: { prefixes: [''], separator: ':', literalSegments: 2 },
  },
  {
    platform: 'Deno Deploy',
    issuers: ['https://oidc.deno.com'],
    algorithms: ['RS256', 'ES256'],
    ids: [['org_id', 'app_id']],
    subject: 'literal',
  },
  {
    platform: 'Modal',
    issuers: ['https://oidc.modal.com'],
    ids: [['workspace_id', 'app_id']],
    longLived: true,
    subject: 'literal',
  },
  {
    platform: 'Semaphore',
    issuers: ['https://*.semaphoreci.com'],
    algorithms: ['RS256'],
    ids: [['org_id', 'prj_id']],
    subject: 'literal',
  },
  {
    platform: 'Spacelift',
    issuers: ['https://*.app.spacelift.io'],
    ids: [['spaceId', 'callerId']],
    subject: 'literal',
  },
  { platform: 'Trigger.dev', issuers: ['https://oidc.trigger.dev/*'], ids: [], subject: 'literal' },
  {
    platform: 'AWS',
    issuers: ['https://*.tokens.sts.global.api.aws'],
    algorithms: ['RS256', 'ES384'],
    ids: [],
    subject: 'literal',
  },
  {
    platform: 'Google Cloud',
    issuers: ['https://accounts.google.com'],
    algorithms: ['RS256'],
    ids: [],
    subject: 'literal',
  },
  {
    platform: 'Microsoft Entra',
    issuers: ['https://login.microsoftonline.com/*/v2.0', 'https://sts.windows.net/*/'],
    algorithms: ['RS256'],
    ids: [['oid']],
    // A managed identity's token lives a day, and says that it was issued five minutes before.
    longLived: true,
    subject: 'literal',
  },
  { platform: 'Pulumi', issuers: ['https://api.pulumi.com/oidc/v2'], ids: [], subject: 'literal' },
]

/** What is known of an issuer, or undefined. */
export function findKnownIssuer(issuer: string): KnownIssuer | undefined {
  return knownIssuers.find(({ issuers }) => issuers.some((pattern) => matchesPattern(pattern, issuer)))
}

const otherServices: readonly string[] = [
  'sts.amazonaws.com',
  'pods.eks.amazonaws.com',
  'api://AzureADTokenExchange',
  'api://AzureADTokenExchangeUSGov',
  'api://AzureADTokenExchangeChina',
  'https://management.azure.com',
  'https://management.core.windows.net',
  'https://kubernetes.default.svc',
  'kubernetes.default.svc',
  'kubernetes.svc.default',
  'k3s',
  'https://iam.googleapis.com',
  '//iam.googleapis.com',
]

/**
 * Whether `audience` is that of somebody else's token service. Accepting tokens for it would let whoever receives them
 * there replay them here.
 */
export function isOtherService(audience: string): boolean {
  return otherServices.some((known) => audience === known || /^[/.:]/.test(restAfter(audience, known)))
}

function restAfter(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : ''
}
