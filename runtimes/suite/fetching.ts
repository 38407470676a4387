import type { Check, Scope } from './environment.ts'
import { openScope } from './environment.ts'
import { expectEqual, expectRefusal } from './expect.ts'

const connector = 'weather/mybot'
const params = { subject: { type: 'app' } } as const

/** `createFetch`. */
export const fetchChecks: readonly Check[] = [
  {
    name: 'sends the token to the connector’s own origin and to no other',
    async run(environment) {
      const scope = openScope(environment)
      const bound = await boundFetch(scope)
      expectEqual('own', await shown(bound(`${scope.api}/echo`)), 'Bearer token-1')
      expectEqual('elsewhere', await shown(bound(`${scope.apiElsewhere}/echo`)), null)
    },
  },
  {
    name: 'drops the token on a redirect elsewhere, for good',
    async run(environment) {
      const scope = openScope(environment)
      const bound = await boundFetch(scope)
      const back = `${scope.apiElsewhere}/redirect?to=${encodeURIComponent(`${scope.api}/echo`)}`
      const response = await bound(`${scope.api}/redirect?to=${encodeURIComponent(back)}`)
      expectEqual('back again', await shown(response), null)
      const [there] = await scope.seenElsewhere()
      expectEqual('elsewhere', [there?.path, there?.authorization ?? null], ['/api/redirect', null])
    },
  },
  {
    name: 'keeps token, method and body on a redirect within the origin',
    async run(environment) {
      const scope = openScope(environment)
      const bound = await boundFetch(scope)
      const url = `${scope.api}/redirect?to=${encodeURIComponent(`${scope.api}/echo`)}`
      const response = await bound(url, { method: 'PUT', body: '{"city":"Berlin"}' })
      const answer = { authorization: 'Bearer token-1', body: { city: 'Berlin' } }
      expectEqual('answer', await response.json(), answer)
      expectEqual('method', (await scope.seen()).at(-1)?.method, 'PUT')
    },
  },
  {
    name: 'replaces a token once after a 401, body included',
    async run(environment) {
      const scope = openScope(environment)
      const bound = await boundFetch(scope)
      const request = new Request(`${scope.api}/only/token-2`, { method: 'POST', body: '{"city":"Berlin"}' })
      const answer = { authorization: 'Bearer token-2', body: { city: 'Berlin' } }
      expectEqual('answer', await (await bound(request)).json(), answer)
      const exchanges = (await scope.seen()).filter(({ path }) => path.startsWith('/v1/'))
      expectEqual('named', exchanges.at(-1)?.body?.rejectedTokenId, 'stk_1')
    },
  },
  {
    name: 'returns a second 401 as the answer',
    async run(environment) {
      const scope = openScope(environment)
      const bound = await boundFetch(scope)
      expectEqual('status', (await bound(`${scope.api}/only/no-token`)).status, 401)
      expectEqual('exchanges and calls', (await scope.seen()).length, 4)
    },
  },
  {
    name: 'sends a stream once',
    async run(environment) {
      const scope = openScope(environment)
      const bound = await boundFetch(scope)
      const body = new Blob(['{"city":"Berlin"}']).stream()
      const init = { method: 'POST', body, duplex: 'half' } as RequestInit
      const response = await bound(`${scope.api}/echo`, init)
      const answer = { authorization: 'Bearer token-1', body: { city: 'Berlin' } }
      expectEqual('answer', await response.json(), answer)
    },
  },
  {
    name: 'keeps a token at home of which nobody says where it may go',
    async run(environment) {
      const scope = openScope(environment)
      const bound = scope.client().createFetch(connector, params)
      await expectRefusal(bound(`${scope.api}/echo`), 'invalid_request')
      const seen = (await scope.seen()).map(({ path }) => path)
      expectEqual('asked', seen, ['/v1/connect/token/weather%2Fmybot'])
    },
  },
]

async function boundFetch(scope: Scope): Promise<typeof globalThis.fetch> {
  const origins = [scope.origin]
  await scope.script({ origins }, { origins }, { origins })
  return scope.client().createFetch(connector, params)
}

/** The `Authorization` header that the API was shown. */
async function shown(answer: Response | Promise<Response>): Promise<unknown> {
  const body = (await (await answer).json()) as { readonly authorization: unknown }
  return body.authorization
}
