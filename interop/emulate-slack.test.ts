import { createClient } from '@valetkey/sdk'
import { createEmulator, type Emulator } from 'emulate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevelopment, type TestBroker } from './support/broker.ts'
import { attach, createConnector, createWorkload } from './support/operator.ts'
import { refusalOf } from './support/rejection.ts'

const app = { subject: { type: 'app' } } as const
const botToken = 'xoxb-interop-writer'
const readerToken = 'xoxb-interop-reader'
const revokedToken = 'xoxb-interop-revoked'

async function callSlack(apiUrl: string, token: string, method: string, body: object): Promise<unknown> {
  const answer = await fetch(`${apiUrl}/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return await answer.json()
}

describe('Slack tokens, handed out by the real driver for emulate', () => {
  let broker: TestBroker
  let slack: Emulator
  let apiUrl: string
  let identity: string

  beforeAll(async () => {
    broker = await startDevelopment()
    slack = await createEmulator({
      service: 'slack',
      port: 0,
      seed: {
        // emulate takes any unknown token for its first user's; one of a user that does not exist is invalid_auth.
        tokens: { [revokedToken]: { login: 'nobody' } },
        slack: {
          team: { name: 'Acme', domain: 'acme' },
          channels: [{ name: 'announcements' }],
          strict_scopes: true,
          tokens: [
            { token: botToken, user_id: 'U000000001', scopes: ['chat:write'] },
            { token: readerToken, user_id: 'U000000001', scopes: ['channels:read'] },
          ],
        },
      },
    })
    apiUrl = `${slack.url.replace('localhost', '127.0.0.1')}/api`
    identity = await createWorkload(broker.owner, 'agent')
  })
  afterAll(async () => {
    await slack.close()
    await broker.close()
  })

  async function connect(name: string, token = botToken, ceiling = {}) {
    await createConnector(broker.owner, 'slack', name, { botToken: token, apiUrl })
    await attach(broker.owner, `slack/${name}`, 'agent', 'development', ceiling)
    return createClient({ url: broker.url, identity })
  }

  it('are a lease of at most an hour, said to be standing and held to nothing', async () => {
    const client = await connect('lease')
    const started = Date.now()
    const answer = await client.getTokenResponse('slack/lease', app)
    expect(answer).toMatchObject({
      token: botToken,
      standing: true,
      enforcedBy: 'none',
      origins: [new URL(apiUrl).origin],
      installationId: 'T000000001',
      tenantId: 'T000000001',
      name: 'Acme',
      externalSubject: 'U000000001',
      // emulate sends no x-oauth-scopes, so nothing is promised.
      granted: { scopes: [], resources: [], authorizationDetails: [] },
    })
    expect(answer.expiresAt).toBeGreaterThan(started)
    expect(answer.expiresAt).toBeLessThanOrEqual(Date.now() + 3_600_000)
  })

  it('post a message, and Slack holds them to the scopes of the app', async () => {
    const message = { channel: 'announcements', text: 'Hello' }
    const client = await connect('writer')
    const token = await client.getToken('slack/writer', app)
    expect(await callSlack(apiUrl, token, 'chat.postMessage', message)).toMatchObject({ ok: true })
    const other = await (await connect('reader', readerToken)).getToken('slack/reader', app)
    expect(await callSlack(apiUrl, other, 'chat.postMessage', message)).toMatchObject({
      ok: false,
      error: 'missing_scope',
    })
  })

  it('promise no scope that Slack does not confirm, and none above the ceiling', async () => {
    const client = await connect('scopes', botToken, { scopes: ['chat:write'] })
    const unknown = await refusalOf(client.getToken('slack/scopes', { ...app, scopes: ['chat:write'] }))
    expect(unknown).toMatchObject({ code: 'above_ceiling', status: 403 })
    expect(unknown.message).toContain('does not say which scopes')
    const above = await refusalOf(client.getToken('slack/scopes', { ...app, scopes: ['files:read'] }))
    expect(above).toMatchObject({ code: 'above_ceiling' })
    expect(above.message).toContain('files:read')
  })

  it('are of the one workspace: another one is named in vain', async () => {
    const client = await connect('workspace')
    const there = await client.getTokenResponse('slack/workspace', { ...app, installationId: 'T000000001' })
    expect(there.token).toBe(botToken)
    const error = await refusalOf(
      client.getToken('slack/workspace', { ...app, installationId: 'T000000002' }),
    )
    expect(error.code).toBe('connector_installation_required')
  })

  it('are short-lived leases below a ceiling', async () => {
    const client = await connect('short', botToken, { maxTtlSeconds: 120 })
    const { expiresAt } = await client.getTokenResponse('slack/short', app)
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 120_000)
  })

  it('are replaced at once when the bot token is, and the attachment stays', async () => {
    const client = await connect('replaced')
    const before = await client.getTokenResponse('slack/replaced', app)
    await broker.owner.call('PATCH', '/v1/connect/connectors/slack%2Freplaced', {
      data: { botToken: readerToken },
    })
    const after = await client.getTokenResponse('slack/replaced', app, { forceRefresh: true })
    expect(after.token).toBe(readerToken)
    expect(after.tokenId).not.toBe(before.tokenId)
  })

  it('end for the broker on revokeToken, though Slack has nothing to end', async () => {
    const client = await connect('ended')
    const before = await client.getTokenResponse('slack/ended', app)
    await client.revokeToken('slack/ended', app)
    const after = await client.getTokenResponse('slack/ended', app)
    expect(after.tokenId).not.toBe(before.tokenId)
    expect(
      await broker.owner.call('DELETE', '/v1/connect/connectors/slack%2Fended/tokens', {}),
    ).toMatchObject({
      deleted: 1,
      providerRevoked: 0,
      providerSkipped: 1,
    })
  })

  it.each([
    ['one that Slack does not accept', revokedToken, 'invalid_auth'],
    ['a rotating one', 'xoxe.xoxb-1-abc', 'rotating'],
    ["a person's", 'xoxp-1-abc', 'bot'],
  ])(
    'are refused when the connector is created with %s, which is not repeated',
    async (_what, token, says) => {
      const data = { botToken: token, apiUrl }
      const body = { service: 'slack', name: 'bad', data }
      const answer = await broker.owner.ask('POST', '/v1/connect/connectors', body)
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'invalid_request' } } })
      expect(answer.body.error.message).toContain(says)
      expect(answer.body.error.message).not.toContain(token)
    },
  )

  it('are a provider_error when nothing answers at apiUrl', async () => {
    const data = { botToken, apiUrl: 'http://127.0.0.1:9/api' }
    const body = { service: 'slack', name: 'away', data }
    const answer = await broker.owner.ask('POST', '/v1/connect/connectors', body)
    expect(answer).toMatchObject({ status: 502, body: { error: { code: 'provider_error' } } })
  })
})
