import type { Check, Scope } from './environment.ts'
import { openScope } from './environment.ts'
import { expectEqual } from './expect.ts'
import type { Answer } from './protocol.ts'

const connector = 'weather/mybot'
const params = { subject: { type: 'app' } } as const
const hourMs = 3_600_000

/** Tokens near their end. */
export const renewalChecks: readonly Check[] = [
  {
    name: 'renews an ageing token behind its caller, and hands the renewal to waitUntil',
    async run(environment) {
      const scope = openScope(environment)
      const client = await withAgeingToken(scope)
      const pending: Promise<unknown>[] = []
      const waitUntil = (promise: Promise<unknown>): void => {
        pending.push(promise)
      }
      expectEqual('at once', await client.getToken(connector, params, { waitUntil }), 'token-1')
      expectEqual('renewals handed over', pending.length, 1)
      await Promise.all(pending)
      expectEqual('afterwards', await client.getToken(connector, params, { waitUntil }), 'token-2')
      expectEqual('renewals in the background', backgroundExchanges(scope), 1)
    },
  },
  {
    name: 'without waitUntil renews so that the renewal ends',
    async run(environment) {
      const scope = openScope(environment)
      const client = await withAgeingToken(scope)
      // A Worker's work ends with its request, so there the caller waits.
      const waits = environment.runtime.name === 'workerd'
      expectEqual('at once', await client.getToken(connector, params), waits ? 'token-2' : 'token-1')
      await eventually(() => scope.events.filter(({ type }) => type === 'exchange_finished').length === 2)
      expectEqual('afterwards', await client.getToken(connector, params), 'token-2')
      expectEqual('renewals in the background', backgroundExchanges(scope), waits ? 0 : 1)
    },
  },
  {
    name: 'keeps a good token while its renewal fails',
    async run(environment) {
      const scope = openScope(environment)
      const client = await withAgeingToken(scope, { status: 500, code: 'unavailable' })
      const pending: Promise<unknown>[] = []
      const waitUntil = (promise: Promise<unknown>): void => {
        pending.push(promise)
      }
      expectEqual('at once', await client.getToken(connector, params, { waitUntil }), 'token-1')
      await Promise.all(pending)
      expectEqual('afterwards', await client.getToken(connector, params, { waitUntil }), 'token-1')
    },
  },
  {
    name: 'waits for another token in the last seconds of one',
    async run(environment) {
      const scope = openScope(environment)
      await scope.script({ lifeMs: hourMs }, { lifeMs: 2 * hourMs })
      const client = scope.client()
      await client.getToken(connector, params)
      scope.passTime(hourMs - 10_000)
      expectEqual('next', await client.getToken(connector, params), 'token-2')
    },
  },
]

/** A client that holds `token-1`, which has a minute to live. */
async function withAgeingToken(scope: Scope, next: Answer = { lifeMs: 3 * hourMs }) {
  await scope.script({ lifeMs: hourMs }, next)
  const client = scope.client()
  await client.getToken(connector, params)
  scope.passTime(hourMs - 60_000)
  return client
}

function backgroundExchanges(scope: Scope): number {
  return scope.events.filter((event) => event.type === 'exchange_started' && event.background).length
}

async function eventually(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !isSo(); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
}
