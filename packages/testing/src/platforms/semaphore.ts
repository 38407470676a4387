import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startVariablePlatform } from './token-in-variable.ts'

const organization = '5e3a9b10-0000-4000-8000-000000000001'

/**
 * A pipeline job of Semaphore. Its token's audience is the organization's own address, whatever the job does, and it
 * lives a day.
 *
 * @see https://docs.semaphore.io/using-semaphore/openid
 */
export function startSemaphore(options: PlatformOptions = {}): Promise<FakePlatform> {
  const description = {
    algorithm: 'RS256',
    lifetimeSeconds: 86_400,
    earlySeconds: 0,
    hasTokenId: true,
    claims: {
      sub: 'org:acme:project:website:repo:website:ref_type:branch:ref:refs/heads/main',
      org: 'acme',
      org_id: organization,
      prj: 'website',
      prj_id: '5e3a9b10-0000-4000-8000-000000000002',
      repo: 'website',
      ref: 'refs/heads/main',
      ref_type: 'branch',
      branch: 'main',
      job_type: 'pipeline_job',
      job_id: '5e3a9b10-0000-4000-8000-000000000003',
    },
  } as const
  const variables = { CI: 'true', SEMAPHORE: 'true', VALETKEY_IDENTITY: 'semaphore' }
  const audience = 'https://acme.semaphoreci.com'
  return startVariablePlatform(
    { description, variable: 'SEMAPHORE_OIDC_TOKEN', audience, variables },
    options,
  )
}
