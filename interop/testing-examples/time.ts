import { createClient } from '@valetkey/sdk'
import { createClock, mockIssuingPoint } from '@valetkey/testing'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, expect, it } from 'vitest'

const clock = createClock()
const issuingPoint = mockIssuingPoint({ now: clock.now })
const server = setupServer(...issuingPoint.handlers)
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }))
afterAll(() => server.close())

it('keeps a token as long as it lives', async () => {
  const { url, environment } = issuingPoint
  const client = createClient({ url, identity: environment.VALETKEY_ID_TOKEN, now: clock.now })
  const ask = () => client.getToken('slack/mybot', { subject: { type: 'app' } })

  const first = await ask()
  clock.advance(10 * 60_000)
  expect(await ask()).toBe(first)
  clock.advance(60 * 60_000)
  expect(await ask()).not.toBe(first)
})
