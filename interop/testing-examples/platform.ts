import { createClient } from '@valetkey/sdk'
import { mockIssuingPoint } from '@valetkey/testing'
import { type FakePlatform, startGithubActions } from '@valetkey/testing/platforms'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'

const issuingPoint = mockIssuingPoint()
const server = setupServer(...issuingPoint.handlers)
let platform: FakePlatform

beforeAll(async () => {
  platform = await startGithubActions({ claims: { repository: 'acme/website' } })
  for (const [name, value] of Object.entries(platform.environment)) vi.stubEnv(name, value)
  vi.stubEnv('VALETKEY_ID_TOKEN', undefined)
  // The fake listens on loopback: what has no handler goes there.
  server.listen({ onUnhandledFrame: 'bypass' })
})
afterAll(async () => {
  server.close()
  vi.unstubAllEnvs()
  await platform.close()
})

it('asks with the identity of the job', async () => {
  const { getToken } = createClient({ url: issuingPoint.url })
  await getToken('github/mybot', { subject: { type: 'app' } })
  expect(issuingPoint.requests[0]?.identity).toMatchObject({
    repository: 'acme/website',
    aud: issuingPoint.url,
  })
})
