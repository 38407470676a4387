import { createClient, createFetch } from '@valetkey/sdk'
import { mockIssuingPoint } from '@valetkey/testing'
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, expect, it } from 'vitest'

const api = 'https://api.linear.app'
const issuingPoint = mockIssuingPoint({
  tokens: {
    'linear/tracker': ({ subject }) => ({ token: `${subject?.type}-${crypto.randomUUID()}`, origins: [api] }),
  },
  failures: [{ code: 'rate_limited', retryAfterSeconds: 0, times: 2 }],
})

// An API that takes what the issuing point gave out, and has not ended since.
const linear = http.post(`${api}/graphql`, ({ request }) => {
  const token = request.headers.get('authorization')?.slice('Bearer '.length) ?? ''
  return issuingPoint.isLive(token)
    ? HttpResponse.json({ data: {} })
    : new HttpResponse(null, { status: 401 })
})

const server = setupServer(...issuingPoint.handlers, linear)
Object.assign(process.env, issuingPoint.environment)
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }))
afterAll(() => server.close())

it('goes on when tokens end before their time', async () => {
  const linearFetch = createFetch('linear/tracker', { subject: { type: 'app' } })
  expect((await linearFetch(`${api}/graphql`, { method: 'POST' })).status).toBe(200)
  // Two were refused, and the SDK asked a third time.
  expect(issuingPoint.requests).toHaveLength(3)

  issuingPoint.expireTokens('linear/tracker')
  expect((await linearFetch(`${api}/graphql`, { method: 'POST' })).status).toBe(200)
  expect(issuingPoint.requests).toHaveLength(4)
})

it('says so when the issuing point does not answer', async () => {
  issuingPoint.fail('hang')
  const { getToken } = createClient({ timeoutMs: 100 })
  await expect(getToken('linear/tracker', { subject: { type: 'app' } })).rejects.toMatchObject({
    code: 'timeout',
  })
})
