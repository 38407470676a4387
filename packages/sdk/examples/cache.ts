import { getToken, revokeToken } from '@valetkey/sdk'

const params = { subject: { type: 'user', id: 'user_42' } } as const

/** Calls an API, and once more with another token if the first one was rejected. */
export async function callWithFreshToken(call: (token: string) => Promise<Response>): Promise<Response> {
  const token = await getToken('linear/mybot', params)
  const response = await call(token)
  if (response.status !== 401) return response
  return call(await getToken('linear/mybot', params, { rejectedToken: token }))
}

/** Asks the issuing point even if a token is cached: a grant that was revoked there surfaces now. */
export async function stillGranted(): Promise<string> {
  return getToken('linear/mybot', params, { forceRefresh: true })
}

/** Ends the grant: at the issuing point, at the provider where that is possible, and in the cache. */
export async function disconnect(): Promise<void> {
  await revokeToken('linear/mybot', params)
}
