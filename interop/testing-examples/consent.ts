import { createClient } from '@valetkey/sdk'
import { mockIssuingPoint } from '@valetkey/testing'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, expect, it } from 'vitest'

const issuingPoint = mockIssuingPoint({ consent: { 'linear/tracker': 'required' } })
const server = setupServer(...issuingPoint.handlers)
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }))
afterAll(() => server.close())

it('asks the user once', async () => {
  const { url, environment } = issuingPoint
  const client = createClient({ url, identity: environment.VALETKEY_ID_TOKEN })
  const subject = { type: 'user', id: 'ann' } as const
  await expect(client.getToken('linear/tracker', { subject })).rejects.toMatchObject({
    code: 'user_authorization_required',
  })

  // What your app does: it begins, and keeps the verifier in the session.
  const { request, verifier } = await client.startAuthorization(
    'linear/tracker',
    { subject },
    { callbackUrl: 'https://app.example/connected' },
  )
  // What the user does: `deny()` would be the other answer.
  const { code = '', returnUrl } = issuingPoint.consent()
  expect(returnUrl).toBe(`https://app.example/connected?request=${request}&code=${code}`)
  // What your callback does.
  await client.completeAuthorization({ request, verifier, code, subject })

  expect(await client.getToken('linear/tracker', { subject })).toMatch(/^mock-token-/)
})
