import { generateKeyPairSync } from 'node:crypto'
import { followConsent } from '@valetkey/example-support'
import { type Client, createClient, type StartedAuthorization } from '@valetkey/sdk'
import { createEmulator, type Emulator, type EmulatorOptions } from 'emulate'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevelopment, type TestBroker } from './support/broker.ts'
import { attach, createConnector, createWorkload } from './support/operator.ts'

const returnUrl = 'http://localhost:9/connected'
const app = { client_id: 'client-1', client_secret: 'a-secret-of-the-test', name: 'Valet' }
const login = { clientId: app.client_id, clientSecret: app.client_secret }

let broker: TestBroker
let client: Client
const closing: { close(): Promise<void> }[] = []

beforeAll(async () => {
  broker = await startDevelopment()
  const identity = await createWorkload(broker.owner, 'agent')
  client = createClient({ url: broker.url, identity: () => identity })
})
afterAll(async () => {
  for (const each of closing) await each.close()
  await broker?.close()
})

/** Starts a service, connects it, and starts it again once the connector's redirect URI is known. */
async function connectService(
  service: EmulatorOptions['service'],
  seedOf: (redirectUris: readonly string[]) => NonNullable<EmulatorOptions['seed']>,
  dataOf: (url: string) => object,
): Promise<string> {
  const first = await createEmulator({ service, port: 0, seed: seedOf([]) })
  const id = await createConnector(broker.owner, service, 'mybot', dataOf(first.url))
  await attach(broker.owner, `${service}/mybot`, 'agent', 'development', { subjects: ['app', 'user'] })
  await first.close()
  const callback = `${broker.url}/v1/connect/callback/${id}`
  const again: Emulator = await createEmulator({
    service,
    port: Number(new URL(first.url).port),
    seed: seedOf([callback]),
  })
  closing.push(again)
  return first.url
}

/** As the person whose name is somewhere in the provider's form. */
async function agree(started: StartedAuthorization, who?: string): Promise<string> {
  const back = await followConsent(started.url, returnUrl, (forms) => {
    const own = forms.find(({ fields }) => who !== undefined && Object.values(fields).includes(who))
    return own ?? forms[0]
  })
  const code = back.searchParams.get('code')
  if (code === null) throw new Error(`No code came back: ${back.searchParams.get('error')}`)
  return code
}

async function consentOf(connector: string, id: string, who?: string): Promise<void> {
  const subject = { type: 'user', id } as const
  const started = await client.startAuthorization(connector, { subject }, { callbackUrl: returnUrl })
  const { request, verifier } = started
  await client.completeAuthorization({ request, verifier, code: await agree(started, who), subject })
}

describe('GitHub, through a broker', () => {
  let url: string
  beforeAll(async () => {
    const privateKeyPem = generateKeyPairSync('rsa', { modulusLength: 2048 })
      .privateKey.export({ type: 'pkcs1', format: 'pem' })
      .toString()
    url = await connectService(
      'github',
      (redirect_uris) => ({
        github: {
          users: [
            { login: 'octocat', email: 'octocat@example.com' },
            { login: 'hubot', email: 'hubot@example.com' },
          ],
          oauth_apps: [{ ...app, redirect_uris: [...redirect_uris] }],
          apps: [{ app_id: 1, slug: 'valet', name: 'Valet', private_key: privateKeyPem, installations: [] }],
        },
      }),
      (at) => ({ appId: 1, privateKeyPem, ...login, apiUrl: at, webUrl: at }),
    )
  })

  it.each(['octocat', 'hubot'])('gives %s a token of their own, and takes it away', async (who) => {
    const subject = { type: 'user', id: `user-of-${who}` } as const
    await expect(client.getToken('github/mybot', { subject })).rejects.toMatchObject({
      code: 'user_authorization_required',
    })
    await consentOf('github/mybot', subject.id, who)
    const fetch = client.createFetch('github/mybot', { subject })
    expect(await (await fetch(`${url}/user`)).json()).toMatchObject({ login: who })
    await client.revokeToken('github/mybot', { subject })
    await expect(client.getToken('github/mybot', { subject })).rejects.toMatchObject({
      code: 'user_authorization_required',
    })
  })
})

describe('Slack, through a broker', () => {
  let url: string
  beforeAll(async () => {
    url = await connectService(
      'slack',
      (redirect_uris) => ({
        slack: {
          team: { name: 'Acme' },
          users: [{ name: 'ann', email: 'ann@example.com' }],
          oauth_apps: [
            { ...app, redirect_uris: [...redirect_uris], scopes: ['chat:write', 'channels:read'] },
          ],
        },
      }),
      (at) => ({ ...login, botScopes: ['chat:write'], userScopes: ['search:read'], apiUrl: `${at}/api` }),
    )
  })

  const test = async (token: string) =>
    (
      await fetch(`${url}/api/auth.test`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    ).json()

  it('gives a person their own token', async () => {
    await consentOf('slack/mybot', 'ann')
    const answer = await client.getTokenResponse('slack/mybot', { subject: { type: 'user', id: 'ann' } })
    expect(answer.token).toMatch(/^xoxp-/)
    expect(answer.granted?.scopes).toEqual(['search:read'])
    expect(await test(answer.token)).toMatchObject({ ok: true })
  })

  it('gives a person the token of the workspace that they named', async () => {
    const subject = { type: 'user', id: 'bob' } as const
    const asApp = await client.getTokenResponse('slack/mybot', { subject: { type: 'user', id: 'ann' } })
    const installationId = asApp.tenantId ?? ''
    const params = { subject, installationId }
    const started = await client.startAuthorization('slack/mybot', params, { callbackUrl: returnUrl })
    const { request, verifier } = started
    await client.completeAuthorization({ request, verifier, code: await agree(started), subject })
    expect((await client.getTokenResponse('slack/mybot', params)).token).toMatch(/^xoxp-/)
    await client.revokeToken('slack/mybot', params)
    await expect(client.getToken('slack/mybot', params)).rejects.toMatchObject({
      code: 'user_authorization_required',
    })
  })

  it('installs the app in a workspace, whose token the app then gets', async () => {
    const started = await client.startInstallation('slack/mybot', {}, { callbackUrl: returnUrl })
    const { request, verifier } = started
    await client.completeAuthorization({ request, verifier, code: await agree(started) })
    const answer = await client.getTokenResponse('slack/mybot', { subject: { type: 'app' } })
    expect(answer.token).toMatch(/^xoxb-/)
    expect(answer.installationId).toMatch(/^T/)
    expect(await test(answer.token)).toMatchObject({ ok: true })
  })
})
