import {
  ConnectorInstallationRequiredError,
  NoValidTokenError,
  UserAuthorizationRequiredError,
} from '@valetkey/sdk'
import type { Check } from './environment.ts'
import { openScope } from './environment.ts'
import { expectEqual, expectRefusal } from './expect.ts'

const connector = 'weather/mybot'
const params = { subject: { type: 'app' } } as const

/** Refusals, faults that pass, and callers that give up. */
export const failureChecks: readonly Check[] = [
  {
    name: 'ends a call after its timeout',
    async run(environment) {
      const scope = openScope(environment)
      await scope.script({ delayMs: 20_000 })
      const { retryable } = await expectRefusal(
        scope.client().getToken(connector, params, { timeoutMs: 80 }),
        'timeout',
      )
      expectEqual('retryable', retryable, true)
    },
  },
  {
    name: 'ends a call by its signal, and no other that waits with it',
    async run(environment) {
      const scope = openScope(environment)
      await scope.script({ delayMs: 600 })
      const client = scope.client()
      const controller = new AbortController()
      const leaving = expectRefusal(
        client.getToken(connector, params, { signal: controller.signal }),
        'aborted',
      )
      const staying = client.getToken(connector, params)
      setTimeout(() => controller.abort(), 20)
      await leaving
      expectEqual('for the other', await staying, 'token-1')
      expectEqual('exchanges', (await scope.seen()).length, 1)
    },
  },
  {
    name: 'refuses a signal that is aborted already, without asking',
    async run(environment) {
      const scope = openScope(environment)
      const signal = AbortSignal.abort()
      await expectRefusal(scope.client().getToken(connector, params, { signal }), 'aborted')
      expectEqual('exchanges', (await scope.seen()).length, 0)
    },
  },
  {
    name: 'tries again after a fault that passes',
    async run(environment) {
      const scope = openScope(environment)
      await scope.script({ status: 503, code: 'unavailable' }, { status: 502, code: 'provider_error' })
      expectEqual('token', await scope.client().getToken(connector, params), 'token-1')
      expectEqual('exchanges', (await scope.seen()).length, 3)
    },
  },
  {
    name: 'waits as long as Retry-After asks',
    async run(environment) {
      const scope = openScope(environment)
      await scope.script({ status: 429, code: 'rate_limited', headers: { 'retry-after': '1' } })
      const startedAtMs = Date.now()
      expectEqual('token', await scope.client().getToken(connector, params), 'token-1')
      // Timers may fire a little before their time.
      expectEqual('waited', Date.now() - startedAtMs >= 990, true)
    },
  },
  {
    name: 'gives up at once where Retry-After outlasts the caller',
    async run(environment) {
      const scope = openScope(environment)
      await scope.script({ status: 429, code: 'rate_limited', headers: { 'retry-after': '60' } })
      const error = await expectRefusal(scope.client().getToken(connector, params), 'rate_limited')
      expectEqual('retryable', error.retryable, true)
    },
  },
  {
    name: 'says that nothing answers',
    async run(environment) {
      const settings = { ...environment.settings, origin: environment.settings.closed }
      const client = openScope({ ...environment, settings }).client()
      const error = await expectRefusal(client.getToken(connector, params), 'unavailable')
      expectEqual('retryable', error.retryable, true)
      expectEqual('no credential in the message', /workload/.test(error.message), false)
    },
  },
  {
    name: 'says what a user has to consent to',
    async run(environment) {
      const scope = openScope(environment)
      await scope.script({ status: 422, code: 'user_authorization_required' })
      const wanted = { subject: { type: 'user', id: 'user_42' }, scopes: ['read'] } as const
      const error = await expectRefusal(
        scope.client().getToken(connector, wanted),
        'user_authorization_required',
      )
      expectEqual('class', error instanceof UserAuthorizationRequiredError, true)
      expectEqual('params', (error as UserAuthorizationRequiredError).params, wanted)
      const { status, requestId, retryable } = error
      const about = { status: 422, requestId: 'req_1', retryable: false, connector }
      expectEqual('about it', { status, requestId, retryable, connector: error.connector }, about)
    },
  },
  {
    name: 'tells the other refusals apart',
    async run(environment) {
      const scope = openScope(environment)
      const codes = ['no_token', 'connector_installation_required', 'forbidden', 'above_ceiling'] as const
      await scope.script(...codes.map((code) => ({ status: 422, code })))
      const client = scope.client()
      const names: string[] = []
      for (const code of codes)
        names.push((await expectRefusal(client.getToken(connector, params), code)).name)
      expectEqual('names', names, [
        NoValidTokenError.name,
        ConnectorInstallationRequiredError.name,
        'ConnectError',
        'ConnectError',
      ])
      expectEqual('exchanges', (await scope.seen()).length, codes.length)
    },
  },
]
