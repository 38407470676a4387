import type { FoundIdentity, IdentityContext, ObtainIdentity } from './identity-source.ts'

/** The module of each source that does more than hand over what its variable holds. Loaded when it is asked. */
const modules: Readonly<Record<string, () => Promise<ObtainIdentity>>> = {
  'id-token-file': async () => (await import('./read-token-file.ts')).obtainFromFile,
  'id-token-command': async () => (await import('./run-token-command.ts')).obtainFromCommand,
  'github-actions': async () => (await import('./platforms/github-actions.ts')).obtainFromGithubActions,
  gitlab: async () => (await import('./platforms/gitlab.ts')).obtainFromGitlab,
  circleci: async () => (await import('./platforms/circleci.ts')).obtainFromCircleci,
  buildkite: async () => (await import('./platforms/buildkite.ts')).obtainFromBuildkite,
  bitbucket: async () => (await import('./platforms/bitbucket.ts')).obtainFromBitbucket,
  'hcp-terraform': async () => (await import('./platforms/hcp-terraform.ts')).obtainFromHcpTerraform,
  semaphore: async () => (await import('./platforms/semaphore.ts')).obtainFromSemaphore,
  spacelift: async () => (await import('./platforms/spacelift.ts')).obtainFromSpacelift,
  vercel: async () => (await import('./platforms/vercel.ts')).obtainFromVercel,
  'deno-deploy': async () => (await import('./platforms/deno-deploy.ts')).obtainFromDenoDeploy,
  fly: async () => (await import('./platforms/fly.ts')).obtainFromFly,
  'trigger-dev': async () => (await import('./platforms/trigger-dev.ts')).obtainFromTriggerDev,
  modal: async () => (await import('./platforms/modal.ts')).obtainFromModal,
  spiffe: async () => (await import('./platforms/spiffe.ts')).obtainFromSpiffe,
  kubernetes: async () => (await import('./platforms/kubernetes.ts')).obtainFromKubernetes,
  'google-cloud': async () => (await import('./platforms/google-cloud.ts')).obtainFromGoogleCloud,
  azure: async () => (await import('./platforms/azure.ts')).obtainFromAzure,
  aws: async () => (await import('./platforms/aws.ts')).obtainFromAws,
}

/**
 * The credential of a found identity: what was found, or what its platform makes of it.
 *
 * @throws {ConnectError} `identity_unavailable` with the reason; for no source at all, with the reason of each.
 */
export async function obtainIdentity(
  { source, found }: FoundIdentity,
  context: IdentityContext,
): Promise<string> {
  if (source.name === 'none') {
    const { whyNoIdentity } = await import('./why-no-identity.ts')
    throw whyNoIdentity(context.read, context.destination)
  }
  const load = Object.hasOwn(modules, source.name) ? modules[source.name] : undefined
  if (load === undefined) return found
  const obtain = await load()
  return obtain(found.split('\n'), context)
}
