import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startVariablePlatform } from './token-in-variable.ts'

/**
 * A tracked run of Spacelift with write access. Its token's audience is the account's host name, whatever the run does,
 * and it lives an hour. In the variable only: the file that Spacelift writes beside it has a fixed path.
 *
 * @see https://docs.spacelift.io/integrations/cloud-providers/oidc
 */
export function startSpacelift(options: PlatformOptions = {}): Promise<FakePlatform> {
  const description = {
    algorithm: 'RS256',
    lifetimeSeconds: 3_600,
    earlySeconds: 0,
    hasTokenId: true,
    claims: {
      sub: 'space:production:stack:website:run_type:TRACKED:scope:write',
      spaceId: 'production',
      callerType: 'stack',
      callerId: 'website',
      runType: 'TRACKED',
      runId: '01J0000000000000000000000A',
      scope: 'write',
    },
  } as const
  const variables = { SPACELIFT: 'true', VALETKEY_IDENTITY: 'spacelift' }
  const audience = 'acme.app.spacelift.io'
  return startVariablePlatform(
    { description, variable: 'SPACELIFT_OIDC_TOKEN', audience, variables },
    options,
  )
}
