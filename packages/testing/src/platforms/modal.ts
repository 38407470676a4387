import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startVariablePlatform } from './token-in-variable.ts'

/**
 * A Modal function. Its token's audience is `oidc.modal.com`, whatever the function does, and it lives two days.
 *
 * @see https://modal.com/docs/guide/oidc-integration
 */
export function startModal(options: PlatformOptions = {}): Promise<FakePlatform> {
  const ids = {
    workspace_id: 'ac-12345abcdefghijk',
    environment_id: 'en-12345abcdefghijk',
    app_id: 'ap-12345abcdefghijk',
    function_id: 'fu-12345abcdefghijk',
  }
  const description = {
    algorithm: 'RS256',
    lifetimeSeconds: 172_800,
    hasTokenId: true,
    claims: {
      sub: 'modal:workspace_id:ac-12345abcdefghijk:environment_name:main:app_name:website:function_name:run',
      ...ids,
      environment_name: 'main',
      app_name: 'website',
      function_name: 'run',
      container_id: 'ta-12345abcdefghijk',
    },
  } as const
  const variables = { MODAL_ENVIRONMENT: 'main', VALETKEY_IDENTITY: 'modal' }
  const audience = 'oidc.modal.com'
  return startVariablePlatform(
    { description, variable: 'MODAL_IDENTITY_TOKEN', audience, variables },
    options,
  )
}
