import type { Check } from './environment.ts'
import { openScope } from './environment.ts'
import { expectEqual, expectRefusal } from './expect.ts'

const connector = 'weather/mybot'
const params = { subject: { type: 'app' } } as const

/** Exchanging, sharing, and forgetting. */
export const tokenChecks: readonly Check[] = [
  {
    name: 'exchanges an identity for a token, and keeps it',
    async run(environment) {
      const scope = openScope(environment)
      const client = scope.client()
      const response = await client.getTokenResponse(connector, { ...params, scopes: ['read'] })
      expectEqual('token', response.token, 'token-1')
      expectEqual('frozen', Object.isFrozen(response), true)
      expectEqual('again', await client.getToken(connector, { ...params, scopes: ['read'] }), 'token-1')
      expectEqual('asked', await scope.seen(), [
        {
          method: 'POST',
          path: '/v1/connect/token/weather%2Fmybot',
          authorization: 'Bearer workload',
          body: { subject: { type: 'app' }, scopes: ['read'] },
        },
      ])
    },
  },
  {
    name: 'has calls at the same time share one exchange',
    async run(environment) {
      const scope = openScope(environment)
      const client = scope.client()
      const tokens = await Promise.all([1, 2, 3, 4, 5].map(() => client.getToken(connector, params)))
      expectEqual('tokens', [...new Set(tokens)], ['token-1'])
      expectEqual('exchanges', (await scope.seen()).length, 1)
    },
  },
  {
    name: 'never shares a token between two identities',
    async run(environment) {
      const scope = openScope(environment)
      const client = scope.client()
      const tokens: string[] = []
      for (const identityToken of ['alice', 'bob', 'alice', async () => 'bob'])
        tokens.push(await client.getToken(connector, params, { identityToken }))
      expectEqual('tokens', tokens, ['token-1', 'token-2', 'token-1', 'token-2'])
      const asked = (await scope.seen()).map(({ authorization }) => authorization)
      expectEqual('asked as', asked, ['Bearer alice', 'Bearer bob'])
    },
  },
  {
    name: 'asks again when a refresh is forced',
    async run(environment) {
      const scope = openScope(environment)
      const client = scope.client()
      await client.getToken(connector, params)
      const refreshed = await client.getToken(connector, params, { forceRefresh: true })
      expectEqual('refreshed', refreshed, 'token-2')
      expectEqual('kept', await client.getToken(connector, params), 'token-2')
    },
  },
  {
    name: 'forgets a cached token, and names it to the issuing point',
    async run(environment) {
      const scope = openScope(environment)
      const client = scope.client()
      await client.getToken(connector, params)
      client.deleteTokenCacheEntry(connector, params)
      expectEqual('next', await client.getToken(connector, params), 'token-2')
      expectEqual('named', (await scope.seen()).at(-1)?.body?.rejectedTokenId, 'stk_1')
    },
  },
  {
    name: 'revokes, and forgets what it revoked',
    async run(environment) {
      const scope = openScope(environment)
      const client = scope.client()
      await client.getToken(connector, params)
      await client.revokeToken(connector, params)
      expectEqual('revocation', (await scope.seen()).at(-1), {
        method: 'DELETE',
        path: '/v1/connect/connectors/weather%2Fmybot/tokens',
        authorization: 'Bearer workload',
        body: params,
      })
      expectEqual('next', await client.getToken(connector, params), 'token-2')
    },
  },
  {
    name: 'describes a connector',
    async run(environment) {
      const { uid, vendor } = await openScope(environment).client().getConnectorMetadata(connector)
      expectEqual('description', { uid, vendor }, { uid: connector, vendor: { a: 1 } })
    },
  },
  {
    name: 'refuses an option that it does not know',
    async run(environment) {
      const client = openScope(environment).client()
      const options = { timeout: 5 } as object
      await expectRefusal(client.getToken(connector, params, options), 'invalid_request')
    },
  },
]
