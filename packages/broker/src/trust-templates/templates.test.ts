import { describe, expect, it } from 'vitest'
import { hasAudience, isYoungEnough, matchRule } from '../authenticate/match-rule.ts'
import { parseTrustRule, type TrustRuleInput } from '../authenticate/trust-rule.ts'
import { fillTemplate, trustTemplates } from './fill-template.ts'

const publicUrl = 'https://broker.example'
const now = 1_800_000_000
const [one, two] = ['1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed', '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d']

interface Example {
  readonly fields: Readonly<Record<string, unknown>>
  /** A token of the platform as it really looks, without its times. */
  readonly token: Readonly<Record<string, unknown>>
  readonly lifeSeconds: number
  /** What a token that must be refused says differently; undefined leaves a claim out. */
  readonly refused: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Fields that must be refused, by name; undefined leaves one out. */
  readonly badFields: readonly Readonly<Record<string, unknown>>[]
}

const examples: Readonly<Record<string, Example>> = {
  github: {
    fields: { repository: 'acme/shop', repositoryId: '74', ownerId: '65' },
    token: {
      iss: 'https://token.actions.githubusercontent.com',
      sub: 'repo:acme/shop:environment:production',
      repository: 'acme/shop',
      repository_id: '74',
      repository_owner: 'acme',
      repository_owner_id: '65',
      environment: 'production',
      event_name: 'push',
      ref: 'refs/heads/main',
      job_workflow_ref: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main',
      run_id: '1',
    },
    lifeSeconds: 300,
    refused: {
      'S10 the same name under another id': { repository_id: '75' },
      'another owner id': { repository_owner_id: '66' },
      'another environment': { environment: 'staging' },
      'no environment': { environment: undefined },
      'no repository id': { repository_id: undefined },
      pull_request_target: { event_name: 'pull_request_target' },
      'pull_request_target in a list': { event_name: ['pull_request_target'] },
      "an enterprise's issuer": { iss: 'https://token.actions.githubusercontent.com/acme' },
    },
    badFields: [
      { repository: 'acme' },
      { repositoryId: 'acme' },
      { repositoryId: 74 },
      { ownerId: '065' },
      { ref: 'refs/heads/main' },
      { jobWorkflowRef: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main' },
      { issuer: 'https://issuer.example' },
      { issuer: 'https://token.actions.githubusercontent.com.evil.example' },
    ],
  },
  gitlab: {
    fields: { project: 'acme/shop', projectId: '22', namespaceId: '72' },
    token: {
      iss: 'https://gitlab.com',
      sub: 'project_path:acme/shop:ref_type:branch:ref:main',
      project_id: '22',
      project_path: 'acme/shop',
      namespace_id: '72',
      job_project_id: '22',
      environment: 'production',
      environment_protected: 'true',
      ref: 'main',
      ref_protected: 'true',
      pipeline_source: 'push',
    },
    lifeSeconds: 3_600,
    refused: {
      'another project': { project_id: '23', job_project_id: '23' },
      'a merge request of a fork': { project_id: '900', job_project_id: '22' },
      "a fork's own job": { project_id: '22', job_project_id: '900' },
      'another namespace': { namespace_id: '73' },
      'another environment': { environment: 'review/x' },
      'an unprotected environment': { environment_protected: 'false' },
      'an unprotected branch': { ref_protected: 'false' },
      'no job project': { job_project_id: undefined },
      'another instance': { iss: 'https://gitlab.example' },
    },
    badFields: [{ project: 'shop' }, { projectId: 'shop' }, { namespaceId: '' }, { url: 'gitlab.com' }],
  },
  circleci: {
    fields: {
      organizationId: one,
      projectId: two,
      vcsOrigin: 'github.com/acme/shop',
      ref: 'refs/heads/main',
    },
    token: {
      iss: `https://oidc.circleci.com/org/${one}`,
      sub: `org/${one}/project/${two}/user/${two}`,
      'oidc.circleci.com/org-id': one,
      'oidc.circleci.com/project-id': two,
      'oidc.circleci.com/context-ids': [one],
      'oidc.circleci.com/vcs-origin': 'github.com/acme/shop',
      'oidc.circleci.com/vcs-ref': 'refs/heads/main',
      'oidc.circleci.com/ssh-rerun': false,
    },
    lifeSeconds: 3_600,
    refused: {
      'another project': { 'oidc.circleci.com/project-id': one },
      'another organization': { 'oidc.circleci.com/org-id': two },
      'another branch': { 'oidc.circleci.com/vcs-ref': 'refs/heads/dev' },
      'a fork': { 'oidc.circleci.com/vcs-origin': 'github.com/mallory/shop' },
      'a job run again with SSH': { 'oidc.circleci.com/ssh-rerun': true },
      'no word on SSH': { 'oidc.circleci.com/ssh-rerun': undefined },
      'the root issuer': { iss: 'https://oidc.circleci.com' },
    },
    badFields: [
      { organizationId: 'acme' },
      { projectId: two.toUpperCase() },
      { ref: 'main' },
      { ref: 'refs/pull/7/head' },
      { vcsOrigin: undefined },
    ],
  },
  buildkite: {
    fields: { organizationId: one, pipelineId: two, branch: 'main' },
    token: {
      iss: 'https://agent.buildkite.com',
      sub: 'organization:acme:pipeline:shop:ref:refs/heads/main:commit:abc:step:deploy',
      organization_id: one,
      pipeline_id: two,
      build_branch: 'main',
      build_source: 'webhook',
      step_key: 'deploy',
    },
    lifeSeconds: 300,
    refused: {
      'another pipeline': { pipeline_id: one },
      'another organization': { organization_id: two },
      'another branch': { build_branch: 'dev' },
      "a fork's branch": { build_branch: 'mallory:main' },
      'a build that somebody triggered': { build_source: 'api' },
      'ids that were not asked for': { organization_id: undefined, pipeline_id: undefined },
    },
    badFields: [
      { organizationId: 'acme' },
      { branch: undefined },
      { clusterId: 'x' },
      { buildSource: 'any' },
    ],
  },
  bitbucket: {
    fields: { workspace: 'acme', repositoryUuid: `{${one}}`, deploymentUuid: `{${two}}` },
    token: {
      iss: 'https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc',
      sub: `{${one}}:{${two}}:{${one}}`,
      repositoryUuid: `{${one}}`,
      branchName: 'main',
    },
    lifeSeconds: 3_600,
    refused: {
      'another repository': { repositoryUuid: `{${two}}`, sub: `{${two}}:{${two}}:{${one}}` },
      'another environment': { sub: `{${one}}:{${one}}:{${one}}` },
      'a pull request, which deploys nothing': { sub: `{${one}}:{${two}}` },
      'no subject': { sub: undefined },
      'another workspace': {
        iss: 'https://api.bitbucket.org/2.0/workspaces/evil/pipelines-config/identity/oidc',
      },
    },
    badFields: [{ repositoryUuid: one }, { deploymentUuid: 'production' }, { workspace: 'a/b' }],
  },
  'hcp-terraform': {
    fields: { organizationId: 'org-1234abcd', workspaceId: 'ws-1234abcd' },
    token: {
      iss: 'https://app.terraform.io',
      sub: 'organization:acme:project:x:workspace:shop:run_phase:apply',
      terraform_organization_id: 'org-1234abcd',
      terraform_workspace_id: 'ws-1234abcd',
      terraform_run_phase: 'apply',
    },
    lifeSeconds: 7_200,
    refused: {
      'another workspace': { terraform_workspace_id: 'ws-9999abcd' },
      'another organization': { terraform_organization_id: 'org-9999abcd' },
      'a plan': { terraform_run_phase: 'plan' },
      'a module test': { terraform_workspace_id: undefined },
    },
    badFields: [{ organizationId: 'acme' }, { workspaceId: 'org-1234abcd' }, { url: 'app.terraform.io' }],
  },
  vercel: {
    fields: { ownerId: 'team_1234', projectId: 'prj_1234', team: 'acme' },
    token: {
      iss: 'https://oidc.vercel.com/acme',
      sub: 'owner:acme:project:shop:environment:production',
      owner_id: 'team_1234',
      project_id: 'prj_1234',
      environment: 'production',
    },
    lifeSeconds: 3_600,
    refused: {
      'another project': { project_id: 'prj_9999' },
      'another owner under the same team name': { owner_id: 'team_9999' },
      'a preview': { environment: 'preview' },
      'a laptop': { environment: 'development' },
      'no environment': { environment: undefined },
    },
    badFields: [
      { projectId: 'shop' },
      { ownerId: 'acme inc' },
      { vercelEnvironment: 'preview' },
      { vercelEnvironment: 'development' },
    ],
  },
  fly: {
    fields: { organization: 'acme', organizationId: '29873298', appId: '3671581' },
    token: {
      iss: 'https://oidc.fly.io/acme',
      sub: 'acme:shop:machine',
      org_id: '29873298',
      app_id: '3671581',
    },
    lifeSeconds: 600,
    refused: {
      'another app': { app_id: '3671582' },
      'another organization under the same name': { org_id: '1' },
      'no app': { app_id: undefined },
      'another issuer': { iss: 'https://oidc.fly.io/evil' },
    },
    badFields: [{ organization: 'a/b' }, { appId: 'a b' }, { organizationId: undefined }],
  },
  'trigger-dev': {
    fields: { organization: 'acme', subject: 'project:proj_1:environment:prod' },
    token: { iss: 'https://oidc.trigger.dev/acme', sub: 'project:proj_1:environment:prod' },
    lifeSeconds: 3_600,
    refused: {
      'another project': { sub: 'project:proj_2:environment:prod' },
      'another environment': { sub: 'project:proj_1:environment:preview' },
      'no subject': { sub: undefined },
    },
    badFields: [{ organization: 'a/b' }, { subject: undefined }],
  },
  'deno-deploy': {
    fields: { organizationId: 'org1', appId: 'app1', contextId: 'ctx1' },
    token: {
      iss: 'https://oidc.deno.com',
      sub: 'deployment:acme/shop/x',
      org_id: 'org1',
      app_id: 'app1',
      context_id: 'ctx1',
    },
    lifeSeconds: 300,
    refused: {
      'another app': { app_id: 'app2' },
      'another organization': { org_id: 'org2' },
      'another context': { context_id: 'ctx2' },
      'no context': { context_id: undefined },
    },
    badFields: [{ appId: 'a/b' }, { contextId: undefined }],
  },
  'google-cloud': {
    fields: {
      serviceAccount: 'shop@acme.iam.gserviceaccount.com',
      serviceAccountId: '117234567890123456789',
    },
    token: {
      iss: 'https://accounts.google.com',
      sub: '117234567890123456789',
      azp: '117234567890123456789',
      email: 'shop@acme.iam.gserviceaccount.com',
      email_verified: true,
    },
    lifeSeconds: 3_600,
    refused: {
      'S10 an account that got the same address': { sub: '117999999999999999999' },
      'another account': { sub: '1', email: 'x@acme.iam.gserviceaccount.com' },
      'no address': { email: undefined },
      'an address that is not verified': { email_verified: false },
    },
    badFields: [{ serviceAccountId: 'shop' }, { serviceAccount: 'someone@gmail.com' }],
  },
  aws: {
    fields: {
      issuer: 'https://abc-123.tokens.sts.global.api.aws',
      roleArn: 'arn:aws:iam::123456789012:role/shop-production',
    },
    token: {
      iss: 'https://abc-123.tokens.sts.global.api.aws',
      sub: 'arn:aws:iam::123456789012:role/shop-production',
      'https://sts.amazonaws.com/': { aws_account: '123456789012', request_tags: { environment: 'x' } },
    },
    lifeSeconds: 3_600,
    refused: {
      'another role': { sub: 'arn:aws:iam::123456789012:role/shop-production-x' },
      'another account': { iss: 'https://abc-124.tokens.sts.global.api.aws' },
      'no subject': { sub: undefined },
    },
    badFields: [
      { issuer: 'https://sts.amazonaws.com' },
      { issuer: 'https://evil.example/.tokens.sts.global.api.aws' },
      { roleArn: 'shop-production' },
      { roleArn: 'arn:aws:iam::123456789012:user/shop' },
    ],
  },
  azure: {
    fields: { tenantId: one, objectId: two },
    token: {
      iss: `https://login.microsoftonline.com/${one}/v2.0`,
      sub: two,
      tid: one,
      oid: two,
      azp: one,
    },
    lifeSeconds: 86_400,
    refused: {
      'another identity': { oid: one },
      'another tenant': { tid: two },
      'no object id': { oid: undefined },
      'the issuer of all tenants': { iss: 'https://login.microsoftonline.com/common/v2.0' },
    },
    badFields: [{ tenantId: 'common' }, { objectId: 'shop' }, { applicationId: '' }],
  },
  kubernetes: {
    fields: {
      issuer: 'https://cluster.example',
      namespace: 'shop',
      serviceAccount: 'agent',
      serviceAccountUid: one,
    },
    token: {
      iss: 'https://cluster.example',
      sub: 'system:serviceaccount:shop:agent',
      'kubernetes.io': {
        namespace: 'shop',
        pod: { name: 'agent-1', uid: two },
        serviceaccount: { name: 'agent', uid: one },
      },
    },
    lifeSeconds: 3_600,
    refused: {
      'another namespace': { sub: 'system:serviceaccount:other:agent' },
      'S10 an account made again under the name': {
        'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'agent', uid: two } },
      },
      'no uid': { 'kubernetes.io': { namespace: 'shop' } },
      'a uid that is a claim of its own': {
        'kubernetes.io': undefined,
        '/kubernetes.io/namespace': 'shop',
        '/kubernetes.io/serviceaccount/uid': one,
      },
      'another cluster': { iss: 'https://cluster.example/' },
    },
    badFields: [
      { namespace: 'Shop' },
      { serviceAccount: 'a:b' },
      { serviceAccountUid: 'agent' },
      { issuer: 'x' },
    ],
  },
  spiffe: {
    fields: { issuer: 'https://spire.example', spiffeId: 'spiffe://acme.example/shop/production' },
    token: { iss: 'https://spire.example', sub: 'spiffe://acme.example/shop/production' },
    lifeSeconds: 300,
    refused: {
      'another ID': { sub: 'spiffe://acme.example/shop' },
      'another environment': { sub: 'spiffe://acme.example/shop/preview' },
      'another trust domain': { sub: 'spiffe://evil.example/shop/production' },
      'no subject': { sub: undefined },
    },
    badFields: [
      { spiffeId: 'spiffe://acme.example' },
      { spiffeId: 'https://acme.example/shop' },
      { issuer: undefined },
    ],
  },
  modal: {
    fields: {
      acceptFixedAudience: true,
      workspaceId: 'ac-12345',
      environmentId: 'en-12345',
      appId: 'ap-12345',
    },
    token: {
      iss: 'https://oidc.modal.com',
      aud: 'oidc.modal.com',
      sub: 'modal:workspace_id:ac-12345',
      workspace_id: 'ac-12345',
      environment_id: 'en-12345',
      app_id: 'ap-12345',
    },
    lifeSeconds: 172_800,
    refused: {
      'another app': { app_id: 'ap-99999' },
      'another environment': { environment_id: 'en-99999' },
      'another workspace': { workspace_id: 'ac-99999' },
      'no app': { app_id: undefined },
    },
    badFields: [{ workspaceId: 'acme' }, { appId: 'en-12345' }],
  },
  semaphore: {
    fields: {
      acceptFixedAudience: true,
      organization: 'acme',
      organizationId: one,
      projectId: two,
      ref: 'refs/heads/main',
    },
    token: {
      iss: 'https://acme.semaphoreci.com',
      aud: 'https://acme.semaphoreci.com',
      sub: `org:acme:project:${two}:repo:shop:ref_type:branch:ref:refs/heads/main`,
      org_id: one,
      prj_id: two,
      job_type: 'pipeline_job',
      ref_type: 'branch',
      ref: 'refs/heads/main',
    },
    lifeSeconds: 86_400,
    refused: {
      'another project': { prj_id: one },
      'another organization': { org_id: two },
      'another branch': { ref: 'refs/heads/dev' },
      'a debug job': { job_type: 'debug_job' },
      'a pull request': { ref_type: 'pull-request' },
      'no kind of job': { job_type: undefined },
    },
    badFields: [{ organization: 'a.b' }, { projectId: 'shop' }, { ref: 'main' }],
  },
  spacelift: {
    fields: {
      acceptFixedAudience: true,
      host: 'acme.app.spacelift.io',
      spaceId: 'shop-01HX',
      callerId: 'shop-production',
    },
    token: {
      iss: 'https://acme.app.spacelift.io',
      aud: 'acme.app.spacelift.io',
      sub: 'space:shop-01HX:stack:shop-production:run_type:TRACKED:scope:write',
      spaceId: 'shop-01HX',
      callerType: 'stack',
      callerId: 'shop-production',
      runType: 'TRACKED',
      scope: 'write',
    },
    lifeSeconds: 3_600,
    refused: {
      'another stack': { callerId: 'shop-preview' },
      'another space': { spaceId: 'root' },
      'a pull request': { runType: 'PROPOSED', scope: 'read' },
      'a run that only reads': { scope: 'read' },
      'no kind of run': { runType: undefined },
    },
    badFields: [{ host: 'acme.example' }, { callerId: 'a/b' }, { spaceId: undefined }],
  },
}

function ruleOf(platform: string, fields: Readonly<Record<string, unknown>>, environment = 'production') {
  const filled = fillTemplate({ platform, ...fields }, { environment })
  if (!filled.ok) throw new Error(JSON.stringify(filled.refusal))
  const { words, weaknesses = [], sameIdsAs, ...made } = filled.value
  const options = { publicUrl, allowHttpLoopback: false, ...(sameIdsAs === undefined ? {} : { sameIdsAs }) }
  const rule = parseTrustRule({ ...made, environment }, options)
  if (!rule.ok) throw new Error(JSON.stringify(rule.refusal))
  return { rule: rule.value, words, weaknesses }
}

function admits(
  rule: TrustRuleInput,
  example: Example,
  change: Readonly<Record<string, unknown>> = {},
): boolean {
  const claims: Record<string, unknown> = { aud: publicUrl, ...example.token, ...change }
  const times = { iat: now, exp: now + example.lifeSeconds }
  return (
    claims.iss === rule.issuer &&
    hasAudience(claims, rule.audience) &&
    isYoungEnough(rule, times, now * 1_000) &&
    matchRule(rule, claims)
  )
}

function refusalOf(platform: string, fields: Readonly<Record<string, unknown>>): string | undefined {
  const filled = fillTemplate({ platform, ...fields }, { environment: 'production' })
  return filled.ok || filled.refusal.reason !== 'request_invalid' ? undefined : filled.refusal.message
}

it('has an example of every template', () => {
  expect(Object.keys(examples)).toEqual(trustTemplates.map(({ platform }) => platform))
})

describe.each(Object.entries(examples))('the template for %s', (platform, example) => {
  it('admits a token of the platform', () => {
    const { rule, words } = ruleOf(platform, example.fields)
    expect(admits(rule, example)).toBe(true)
    expect(words.length).toBeGreaterThan(0)
    for (const sentence of words) expect(sentence).toMatch(/^[A-Z].*\.$/)
  })

  it.each(Object.entries(example.refused))('refuses %s', (_what, change) => {
    expect(admits(ruleOf(platform, example.fields).rule, example, change)).toBe(false)
  })

  it('refuses a token of another audience, and one of several', () => {
    const { rule } = ruleOf(platform, example.fields)
    for (const aud of ['https://other.example', 'sts.amazonaws.com', [rule.audience, 'x'], undefined])
      expect(admits(rule, example, { aud })).toBe(false)
  })

  it('S09 takes no pattern, no control character, nothing empty and nothing unknown', () => {
    const names = Object.keys(trustTemplates.find((template) => template.platform === platform)?.fields ?? {})
    for (const name of names) {
      const good = typeof example.fields[name] === 'string' ? example.fields[name] : 'x'
      for (const value of ['*', `${good}*`, `*${good}`, `${good}\n`, `${good}\0`, '', 7, null, [good]])
        expect(refusalOf(platform, { ...example.fields, [name]: value }), name).toContain(`template.${name}:`)
    }
    expect(refusalOf(platform, { ...example.fields, sub: 'x' })).toContain('"sub" is not a field')
  })

  it.each(example.badFields)('refuses %j', (change) => {
    expect(refusalOf(platform, { ...example.fields, ...change })).toBeDefined()
  })
})

describe('templates for tokens of one audience', () => {
  it.each(['modal', 'semaphore', 'spacelift'])(
    '%s must be asked for by saying so, and says why',
    (platform) => {
      const { acceptFixedAudience: _, ...fields } = examples[platform]?.fields ?? {}
      expect(refusalOf(platform, fields)).toContain('acceptFixedAudience')
      for (const value of [false, 'true', 1])
        expect(refusalOf(platform, { ...fields, acceptFixedAudience: value })).toContain(
          'acceptFixedAudience',
        )
      expect(ruleOf(platform, { ...fields, acceptFixedAudience: true }).weaknesses[0]).toContain('replay')
    },
  )

  it('is not to be said elsewhere', () => {
    expect(refusalOf('fly', { ...examples.fly?.fields, acceptFixedAudience: true })).toContain('one audience')
  })

  it.each(['modal', 'azure'])(
    '%s takes a token for a day after it was issued, however long it lives',
    (platform) => {
      const fixed = platform === 'modal' ? { acceptFixedAudience: true } : {}
      const { rule } = ruleOf(platform, { ...examples[platform]?.fields, ...fixed })
      const times = { iat: now, exp: now + 172_800 }
      expect(isYoungEnough(rule, times, (now + 86_400) * 1_000)).toBe(true)
      expect(isYoungEnough(rule, times, (now + 86_401) * 1_000)).toBe(false)
      // Of other issuers the whole life counts, from the first second.
      expect(isYoungEnough({ ...rule, issuer: 'https://issuer.example' }, times, now * 1_000)).toBe(false)
    },
  )
})

describe('the choices of templates', () => {
  it('GitHub takes one workflow on one ref instead of an environment', () => {
    const example = examples.github as Example
    const jobWorkflowRef = String(example.token.job_workflow_ref)
    const { rule } = ruleOf('github', { ...example.fields, ref: 'refs/heads/main', jobWorkflowRef })
    expect(admits(rule, example, { environment: undefined })).toBe(true)
    expect(admits(rule, example, { ref: 'refs/heads/dev' })).toBe(false)
    expect(admits(rule, example, { ref: 'refs/pull/1/merge' })).toBe(false)
    expect(admits(rule, example, { job_workflow_ref: `${jobWorkflowRef}x` })).toBe(false)
    const both = { ...example.fields, ref: 'refs/heads/main', jobWorkflowRef, githubEnvironment: 'x' }
    expect(refusalOf('github', both)).toContain('githubEnvironment')
  })

  it('servers of one’s own are known by the ids that the platform gives', () => {
    const issuers = [
      ['github', { issuer: 'https://github.acme.example/_services/token' }],
      ['gitlab', { url: 'https://gitlab.acme.example' }],
      ['hcp-terraform', { url: 'https://tfe.acme.example' }],
    ] as const
    for (const [platform, fields] of issuers)
      expect(ruleOf(platform, { ...examples[platform]?.fields, ...fields }).rule.issuer).toBe(
        Object.values(fields)[0],
      )
  })

  it('S11 GitHub over http is for loopback, where the broker was told to', () => {
    for (const issuer of ['http://evil.example', 'http://127.0.0.1:4000/_services/token'])
      expect(() => ruleOf('github', { ...examples.github?.fields, issuer })).toThrow('https URL')
  })

  it('says what a default account is', () => {
    const google = { serviceAccount: '1-compute@developer.gserviceaccount.com', serviceAccountId: '1' }
    expect(ruleOf('google-cloud', google).weaknesses.join()).toContain('default service account')
    const kubernetes = { ...examples.kubernetes?.fields, serviceAccount: 'default' }
    expect(ruleOf('kubernetes', kubernetes).weaknesses.join()).toContain('default service account')
  })

  it('takes the environment of the platform by the name it has there', () => {
    const named = { ...examples.gitlab?.fields, gitlabEnvironment: 'live' }
    expect(ruleOf('gitlab', named).rule.claims.environment).toEqual(['live'])
    expect(ruleOf('vercel', examples.vercel?.fields ?? {}, 'preview').rule.claims.environment).toEqual([
      'preview',
    ])
  })
})

it.each([
  [undefined],
  ['github'],
  [[]],
  [{}],
  [{ platform: 'githubs' }],
  [{ platform: '__proto__' }],
  [{ platform: ['github'] }],
])('refuses %j for a template', (input) => {
  expect(fillTemplate(input, { environment: 'production' }).ok).toBe(false)
})
