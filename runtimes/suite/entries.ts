import { createClient } from '@valetkey/sdk'
import { reportIdentity } from '@valetkey/sdk/identity'
import { createSignIn, readPerson } from '@valetkey/sdk/sign-in'
import { tokenExchange } from '@valetkey/sdk/token-exchange'
import type { Check } from './environment.ts'
import { openScope } from './environment.ts'
import { expectEqual } from './expect.ts'

/** The entries besides the main one. Webhooks have checks of their own. */
export const entryChecks: readonly Check[] = [
  {
    name: 'exchanges an identity at a server that knows RFC 8693 alone',
    async run(environment) {
      const scope = openScope(environment)
      const client = createClient({
        issuingPoint: tokenExchange({
          tokenEndpoint: `${scope.url}/oauth/token`,
          target: (connector) => ({ audience: connector, requestedSubject: 'user_42' }),
        }),
        identity: 'workload.identity.token',
      })
      const params = { subject: { type: 'user', id: 'user_42' }, scopes: ['read'] } as const
      expectEqual('token', await client.getToken('weather/mybot', params), 'token-1')
      expectEqual('again', await client.getToken('weather/mybot', params), 'token-1')
      const [asked, ...others] = await scope.seen()
      expectEqual('asked again', others, [])
      expectEqual('asked', asked?.body, {
        subject_token: 'workload.identity.token',
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        audience: 'weather/mybot',
        scope: 'read',
        requested_subject: 'user_42',
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      })
    },
  },
  {
    name: 'reports which identity is used',
    async run(environment) {
      const { url } = openScope(environment)
      const { issuingPoint, source } = await reportIdentity({ url, identity: 'workload' })
      expectEqual('report', { issuingPoint, source }, { issuingPoint: url, source: 'the identity option' })
    },
  },
  {
    name: 'loads the entry for signing in',
    run: async () =>
      expectEqual('exports', [typeof createSignIn, typeof readPerson], ['function', 'function']),
  },
]
