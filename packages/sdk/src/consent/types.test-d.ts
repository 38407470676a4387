import { expectTypeOf } from 'vitest'
import {
  type AuthorizationStatus,
  type ConnectTokenParams,
  completeAuthorization,
  type StartAuthorizationOptions,
  type StartedAuthorization,
  type StartInstallationOptions,
  type startAuthorization,
  startInstallation,
  type UserAuthorizationRequiredError,
  waitForAuthorization,
} from '../index.ts'
import type { verifyWebhook } from '../webhooks/index.ts'

// What the error carries is what an authorization starts with.
expectTypeOf<UserAuthorizationRequiredError>().toHaveProperty('params')
expectTypeOf<NonNullable<UserAuthorizationRequiredError['params']>>().toExtend<
  Parameters<typeof startAuthorization>[1]
>()
expectTypeOf<ConnectTokenParams>().toEqualTypeOf<Parameters<typeof startAuthorization>[1]>()

// What a start returns is what the other calls take, and binding can only be given up.
expectTypeOf<StartedAuthorization>().toExtend<Parameters<typeof waitForAuthorization>[0]>()
expectTypeOf(startInstallation).returns.resolves.toEqualTypeOf<StartedAuthorization>()
expectTypeOf(completeAuthorization).returns.resolves.toBeVoid()
expectTypeOf(waitForAuthorization).returns.resolves.toEqualTypeOf<AuthorizationStatus>()
expectTypeOf<StartAuthorizationOptions['binding']>().toEqualTypeOf<'consent' | undefined>()
expectTypeOf<StartInstallationOptions>().not.toHaveProperty('prompt')

// Project and environment have no default.
expectTypeOf<{ project: string }>().not.toExtend<Parameters<typeof verifyWebhook>[1]>()
expectTypeOf<{ project: string; environment: string }>().toExtend<Parameters<typeof verifyWebhook>[1]>()
