import {
  type FakePlatform,
  startAws,
  startAzure,
  startBitbucket,
  startBuildkite,
  startCircleci,
  startDenoDeploy,
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

/** What a token says. */
export type Claims = Readonly<Record<string, unknown>>

/** A platform's fake, and how an operator fills its template. */
export interface Templated {
  /** `audience` is the broker's URL. */
  readonly start: (about: { audience: string; nodeModules: string }) => Promise<FakePlatform>
  /** The template's fields, as a token of the platform shows them. */
  readonly fields: (claims: Claims) => Record<string, unknown>
  /** What its tokens are for, where that is not the broker's URL. */
  readonly audience?: string
}

const acceptFixedAudience = true

/** Every template by its name. */
export const templated: Readonly<Record<string, Templated>> = {
  github: {
    start: () => startGithubActions(),
    fields: ({ repository, repository_id, repository_owner_id }) => ({
      repository,
      repositoryId: repository_id,
      ownerId: repository_owner_id,
    }),
  },
  gitlab: {
    start: (about) => startGitlab(about),
    fields: ({ project_path, project_id, namespace_id }) => ({
      project: project_path,
      projectId: project_id,
      namespaceId: namespace_id,
    }),
  },
  circleci: {
    start: () => startCircleci(),
    fields: (claims) => ({
      organizationId: claims['oidc.circleci.com/org-id'],
      projectId: claims['oidc.circleci.com/project-id'],
      vcsOrigin: claims['oidc.circleci.com/vcs-origin'],
      ref: claims['oidc.circleci.com/vcs-ref'],
    }),
  },
  buildkite: {
    start: () => startBuildkite(),
    fields: ({ organization_id, pipeline_id, cluster_id, queue_id, build_branch, build_source }) => ({
      organizationId: organization_id,
      pipelineId: pipeline_id,
      clusterId: cluster_id,
      queueId: queue_id,
      branch: build_branch,
      buildSource: build_source,
    }),
  },
  bitbucket: {
    start: (about) => startBitbucket(about),
    fields: ({ repositoryUuid, sub }) => ({
      workspace: 'acme',
      repositoryUuid,
      deploymentUuid: String(sub).split(':')[1],
    }),
  },
  'hcp-terraform': {
    start: (about) => startHcpTerraform(about),
    fields: ({ terraform_organization_id, terraform_workspace_id }) => ({
      organizationId: terraform_organization_id,
      workspaceId: terraform_workspace_id,
    }),
  },
  vercel: {
    start: () => startVercel(),
    fields: ({ owner, owner_id, project_id }) => ({ team: owner, ownerId: owner_id, projectId: project_id }),
  },
  fly: {
    start: () => startFly(),
    fields: ({ org_name, org_id, app_id }) => ({
      organization: org_name,
      organizationId: org_id,
      appId: app_id,
    }),
  },
  'trigger-dev': {
    start: () => startTriggerDev(),
    fields: ({ sub }) => ({ organization: 'acme', subject: sub }),
  },
  'deno-deploy': {
    start: (about) => startDenoDeploy(about),
    fields: ({ org_id, app_id, context_id }) => ({
      organizationId: org_id,
      appId: app_id,
      contextId: context_id,
    }),
  },
  'google-cloud': {
    start: () => startGoogleCloud(),
    fields: ({ email, sub }) => ({ serviceAccount: email, serviceAccountId: sub }),
  },
  aws: {
    start: () => startAws(),
    fields: ({ sub }) => ({ roleArn: sub, issuer: 'https://acme-1.tokens.sts.global.api.aws' }),
  },
  azure: {
    start: () => startAzure(),
    audience: '0d1e2f30-0000-4000-8000-000000000003',
    fields: ({ tid, oid, aud }) => ({ tenantId: tid, objectId: oid, applicationId: aud }),
  },
  kubernetes: {
    start: (about) => startKubernetes(about),
    fields: ({ sub, 'kubernetes.io': pod }) => {
      const [, , namespace, serviceAccount] = String(sub).split(':')
      const { serviceaccount } = pod as { serviceaccount: { uid: string } }
      const serviceAccountUid = serviceaccount.uid
      return { issuer: 'https://cluster.example', namespace, serviceAccount, serviceAccountUid }
    },
  },
  spiffe: {
    start: (about) => startSpiffe(about),
    fields: ({ sub }) => ({ issuer: 'https://spire.example', spiffeId: sub }),
  },
  modal: {
    start: () => startModal(),
    audience: 'oidc.modal.com',
    fields: ({ workspace_id, environment_id, app_id }) => ({
      acceptFixedAudience,
      workspaceId: workspace_id,
      environmentId: environment_id,
      appId: app_id,
    }),
  },
  semaphore: {
    start: () => startSemaphore(),
    audience: 'https://acme.semaphoreci.com',
    fields: ({ org, org_id, prj_id, ref }) => ({
      acceptFixedAudience,
      organization: org,
      organizationId: org_id,
      projectId: prj_id,
      ref,
    }),
  },
  spacelift: {
    start: () => startSpacelift(),
    audience: 'acme.app.spacelift.io',
    fields: ({ aud, spaceId, callerId }) => ({ acceptFixedAudience, host: aud, spaceId, callerId }),
  },
}
