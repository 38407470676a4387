import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ConsentBroker, type ConsentProject, startConsentBroker } from './test-consent.ts'

let broker: ConsentBroker
beforeAll(async () => {
  broker = await startConsentBroker()
})
afterAll(async () => {
  await broker.close()
})

const refusedBodies: readonly (readonly [string, object, string])[] = [
  ['no binding where the attachment needs it', { binding: undefined }, 'binding: must be "complete"'],
  ['an unknown member', { surprise: 1 }, 'unknown field "surprise"'],
  ['an app as subject', { subject: { type: 'app' } }, 'subject.type'],
  ['no subject', { subject: undefined }, 'subject'],
  ['no scope at all', { scopes: [] }, 'scopes'],
  ['a return URL elsewhere than https', { returnUrl: 'http://app.test/' }, 'returnUrl: must be https'],
  ['a javascript return URL', { returnUrl: 'javascript:alert(1)' }, 'returnUrl'],
  ['a return URL with user info', { returnUrl: 'https://app.test@evil.test/' }, 'returnUrl'],
  ['a return URL that answers already', { returnUrl: 'https://app.test/?code=1' }, 'returnUrl'],
  ['a webhook without TLS', { webhook: 'http://app.test/hook' }, 'webhook'],
  ['too short a life', { expiresInMs: 59_999 }, 'expiresInMs'],
  ['too long a life', { expiresInMs: 86_400_001 }, 'expiresInMs'],
  ["OAuth's own parameters", { additionalParams: { Redirect_URI: 'https://evil.test' } }, 'additionalParams'],
  [
    'a parameter that asks for more',
    { additionalParams: { optional_scope: 'admin' } },
    'allowed are acr_values',
  ],
  ['a resource that is no absolute URI', { resources: ['issues'] }, 'resources: "issues"'],
  ['a resource with a fragment', { resources: ['https://api.test/#a'] }, 'resources: "https://api.test/#a"'],
]

it.each(refusedBodies)('refuses %s', async (_what, body, message) => {
  const project = await sharedProject()
  const answer = await project.call('POST', `/v1/connect/authorize/fake%2F${project.name}`, {
    subject: { type: 'user', id: 'u1' },
    binding: 'complete',
    ...body,
  })
  expect([answer.status, answer.body.error?.code]).toEqual([400, 'invalid_request'])
  expect(answer.body.error?.message).toContain(message)
  expect((await project.consentEvents()).at(-1)).toBe('consent_refused invalid_request')
})

it('refuses what is above the ceiling, and other connectors than its own', async () => {
  const project = await broker.project({ scopes: ['read'] })
  const other = await broker.project()
  const body = { subject: { type: 'user', id: 'u1' }, binding: 'complete' }
  const above = await project.call('POST', `/v1/connect/authorize/fake%2F${project.name}`, {
    ...body,
    scopes: ['admin'],
  })
  expect([above.status, above.body.error?.code]).toEqual([403, 'above_ceiling'])
  const foreign = await project.call('POST', `/v1/connect/authorize/fake%2F${other.name}`, body)
  expect(foreign.body.error?.message).toContain('connector is not linked to this project')
  expect(await project.consentEvents()).toEqual([
    'consent_refused above_ceiling',
    'consent_refused forbidden',
  ])
})

let shared: ConsentProject | undefined
async function sharedProject(): Promise<ConsentProject> {
  shared ??= await broker.project()
  return shared
}

// The last one: it uses up what one caller may begin in a minute.
it('stops whoever begins consents without end, and records that once', async () => {
  const project = await broker.project()
  const begin = () =>
    project.call('POST', `/v1/connect/authorize/fake%2F${project.name}`, {
      subject: { type: 'user', id: 'u1' },
      binding: 'complete',
    })
  const answers = await Promise.all(Array.from({ length: 130 }, begin))
  const refused = answers.filter(({ status }) => status === 429)
  expect(refused.length).toBe(10)
  const events = await project.consentEvents()
  expect(events.filter((event) => event === 'consent_refused rate_limited')).toHaveLength(1)
})
