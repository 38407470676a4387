import { mockIssuingPoint } from '@valetkey/testing'
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { announce } from './agent.ts'

// What Slack answers: your own handler.
const slack = http.post('https://slack.com/api/chat.postMessage', ({ request }) =>
  HttpResponse.json({ ok: request.headers.get('authorization') === 'Bearer token-of-the-test' }),
)

const issuingPoint = mockIssuingPoint({ tokens: { 'slack/mybot': 'token-of-the-test' } })
const server = setupServer(...issuingPoint.handlers, slack)
Object.assign(process.env, issuingPoint.environment)
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }))
afterAll(() => server.close())

it('announces with a token of Slack', async () => {
  expect(await announce('Hello')).toEqual({ ok: true })
})
