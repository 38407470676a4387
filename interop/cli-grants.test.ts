import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  endAll,
  type Finished,
  type Running,
  type Surroundings,
  startRunning,
  valetkey,
} from './support/command.ts'
import { putDatabase } from './support/migrated.ts'

type Document = Readonly<Record<string, unknown>>

/** An OAuth server as far as its revocation endpoint (RFC 7009); remembers the tokens that it was told to end. */
interface RevocationServer {
  readonly url: string
  readonly ended: string[]
  readonly server: Server
}

async function startRevocationServer(): Promise<RevocationServer> {
  const ended: string[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const token = new URLSearchParams(Buffer.concat(chunks).toString('utf8')).get('token')
    if (request.url !== '/revoke' || token === null) {
      response.writeHead(404).end()
      return
    }
    ended.push(token)
    response.writeHead(200).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ended, server }
}

function documentOf(finished: Finished): Document {
  const lines = finished.stdout.split('\n')
  if (lines.length !== 2 || lines[1] !== '') throw new Error(`Not one line: ${finished.stdout}`)
  return JSON.parse(lines[0] ?? '') as Document
}

describe('valetkey, as an operator works with grants', { timeout: 60_000 }, () => {
  let folder: string
  let dev: Running
  let provider: RevocationServer
  let created: Document

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
    provider = await startRevocationServer()
    putDatabase(join(folder, '.valetkey'))
    dev = await startRunning(folder, ['dev', '--port', '0'])
    await json('project create agent')
    const connector = {
      serverConfig: {
        authorizationEndpoint: `${provider.url}/authorize`,
        tokenEndpoint: `${provider.url}/token`,
        revocationEndpoint: `${provider.url}/revoke`,
      },
      clientId: 'client',
      clientSecret: 'first-client-secret',
      userAuthorization: { scopes: ['read'] },
      clientUrl: `${provider.url}/apps/client`,
    }
    await file('connector.json', connector)
    created = await json('connect create oauth --name mail --data @connector.json')
  }, 120_000)
  afterAll(async () => {
    await endAll()
    provider.server.close()
    await rm(folder, { recursive: true, force: true })
  })

  const file = (name: string, content: unknown) =>
    writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content), {
      mode: 0o600,
    })
  const run = (command: string, surroundings?: Surroundings) =>
    valetkey(folder, command.split(' '), surroundings)

  async function json(command: string, surroundings?: Surroundings): Promise<Document> {
    const finished = await run(`${command} --json`, surroundings)
    if (finished.code !== 0) throw new Error(`${command}: ${finished.stdout}${finished.stderr}`)
    return documentOf(finished)
  }
  async function refused(command: string, surroundings?: Surroundings) {
    const finished = await run(`${command} --json`, surroundings)
    const { error } = documentOf(finished) as { readonly error: { code: string; message: string } }
    return { exit: finished.code, code: error.code, message: error.message }
  }
  const token = (user: string, more: object = {}) => ({
    accessToken: `${user}-access-secret`,
    expiresAt: Date.now() + 3_600_000,
    subject: { type: 'user', id: user },
    environment: 'development',
    scopes: ['read'],
    ...more,
  })
  const grants = async (flags = '') =>
    ((await json(`connect grants list oauth/mail${flags}`)) as { grants: Record<string, unknown>[] }).grants
  const askFor = (user: string) => run(`connect token oauth/mail --subject user --user-id ${user}`)

  it('says the redirect URI that the provider must know', () => {
    expect(created.redirectUri).toBe(`${dev.url}/v1/connect/callback/${created.id}`)
  })

  it('manages the development broker that VALETKEY_URL names, and no other, without a token of its own', async () => {
    const named = (url: string) => ({ variables: { VALETKEY_URL: url } })
    expect(await json('project list', named(dev.url))).toMatchObject({ projects: [{ name: 'agent' }] })
    expect(await refused('project list', named(provider.url))).toMatchObject({
      exit: 1,
      code: 'identity_unavailable',
    })
  })

  it('attaches with what is said about consent, and warns of what is dangerous', async () => {
    const consent =
      '--user-namespace customers --redirect-uri http://127.0.0.1:9/cb --dangerously-bind-on-consent'
    const finished = await run(
      `connect attach oauth/mail --project agent -e development --subjects user ${consent} --json`,
    )
    expect(finished.code).toBe(0)
    expect(documentOf(finished)).toMatchObject({
      attachments: [
        {
          userNamespace: 'customers',
          redirectUris: ['http://127.0.0.1:9/cb'],
          dangerouslyBindOnConsent: true,
        },
      ],
    })
    expect(finished.stderr).toContain('warning: Consent alone will activate a grant')
    expect(
      await refused('connect attach oauth/mail --project agent -e development --redirect-uri ftp://x/'),
    ).toMatchObject({ exit: 1, code: 'invalid_request' })
  })

  it('imports tokens, says which of them failed, and exits 1 for it', async () => {
    await file('tokens.json', {
      tokens: [
        token('alice', { refreshToken: 'alice-refresh-secret' }),
        token('bob'),
        token('carol', { environment: 'production' }),
      ],
    })
    const finished = await run('connect import oauth/mail --project agent --data @tokens.json --yes --json')
    expect(finished.code).toBe(1)
    expect(documentOf(finished)).toMatchObject({
      accepted: 3,
      imported: 2,
      tokens: [{ succeeded: true }, { succeeded: true }, { succeeded: false, error: { code: 'not_found' } }],
    })
    const again = await run('connect import oauth/mail --project agent --data @-', {
      input: JSON.stringify([token('bob')]),
    })
    expect(again).toMatchObject({ code: 0, stdout: 'Imported 1 of 1 token into oauth/mail.\n' })
    expect(finished.stdout + finished.stderr + again.stdout + again.stderr).not.toContain('-secret')
  })

  it('lists grants without what they hold', async () => {
    const listed = await grants()
    expect(listed.map(({ userId }) => userId).sort()).toEqual(['alice', 'bob'])
    expect(listed[0]).toMatchObject({
      kind: 'user',
      namespace: 'customers',
      state: 'active',
      scopes: ['read'],
    })
    expect(JSON.stringify(listed)).not.toContain('-secret')
    expect((await run('connect grants list oauth/mail')).stdout).toContain('namespace customers')
    const id = String(listed[0]?.id)
    expect(await json(`connect grants default oauth/mail ${id}`)).toMatchObject({ id, isDefault: true })
    expect(await refused('connect grants default oauth/mail grt_none')).toMatchObject({
      exit: 1,
      code: 'not_found',
    })
  })

  it('answers the workload with them, also after the secret of the connector was changed', async () => {
    await json('env pull --project agent --environment development')
    expect(await askFor('alice')).toMatchObject({ code: 0, stdout: 'alice-access-secret\n' })
    await file('rotated.json', { clientSecret: 'second-client-secret' })
    expect(await json('connect update oauth/mail --data @rotated.json')).toMatchObject({ uid: 'oauth/mail' })
    expect(await askFor('alice')).toMatchObject({ code: 0, stdout: 'alice-access-secret\n' })
  })

  it('ends what a workload holds for one user, at the provider too', async () => {
    const command = 'connect revoke-tokens oauth/mail --my-tokens --user-id alice'
    expect(await refused(command)).toMatchObject({ exit: 2, code: 'invalid_request' })
    expect(await json(`${command} --yes`)).toEqual({
      id: expect.stringMatching(/^scl_/),
      uid: 'oauth/mail',
      scope: 'mine',
      supportsRevocation: true,
      tokensFound: 1,
      deleted: 1,
      providerRevoked: 1,
      providerSkipped: 0,
      providerFailed: 0,
    })
    expect(provider.ended).toEqual(['alice-refresh-secret', 'alice-access-secret'])
    expect((await askFor('alice')).code).toBe(1)
    expect((await askFor('bob')).code).toBe(0)
  })

  it('ends nothing as an operator where a workload was meant', async () => {
    const { token: secret } = await json('token create --role manager')
    const variables = { VALETKEY_URL: dev.url, VALETKEY_ACCESS_TOKEN: String(secret) }
    expect(
      await refused('connect revoke-tokens oauth/mail --my-tokens --user-id bob --yes', { variables }),
    ).toMatchObject({ exit: 1, code: 'forbidden' })
    expect((await askFor('bob')).code).toBe(0)
  })

  it('removes one grant, which the broker then ends at the provider', async () => {
    const [bob] = await grants()
    const command = `connect grants remove oauth/mail ${bob?.id}`
    expect(await refused(command)).toMatchObject({ exit: 2 })
    expect(await json(`${command} --yes`)).toMatchObject({ id: bob?.id, removed: true })
    expect((await askFor('bob')).code).toBe(1)
    expect(await grants()).toEqual([])
    await expect
      .poll(async () => (await grants(' --state ended')).map(({ revokeOutcome }) => revokeOutcome), {
        timeout: 20_000,
        interval: 500,
      })
      .toEqual(['revoked', 'revoked'])
    expect(provider.ended).toEqual(['alice-refresh-secret', 'alice-access-secret', 'bob-access-secret'])
  })

  it('ends what one user or one installation granted, and nothing else of the connector', async () => {
    await file('tokens.json', [token('dave'), token('erin'), token('frank')])
    await json('connect import oauth/mail --project agent --data @tokens.json')
    const users = async () => (await grants()).map(({ userId }) => userId).sort()
    const revoke = 'connect revoke-tokens oauth/mail --all-tokens --yes'
    expect(await json(`${revoke} --user-id frank`)).toMatchObject({
      scope: 'all',
      supportsRevocation: true,
      tokensFound: 1,
      providerRevoked: 1,
    })
    expect(await users()).toEqual(['dave', 'erin'])
    for (const nobody of ['--user-id erin --issuer https://elsewhere.example', '--installation-id T1'])
      expect(await json(`${revoke} ${nobody}`)).toMatchObject({ tokensFound: 0 })
    expect(await users()).toEqual(['dave', 'erin'])
  })

  it('ends everything of a connector', async () => {
    const { tokensFound, providerRevoked, scope } = await json(
      'connect revoke-tokens oauth/mail --all-tokens --yes',
    )
    expect({ tokensFound, providerRevoked, scope }).toEqual({
      tokensFound: 2,
      providerRevoked: 2,
      scope: 'all',
    })
    expect(await grants()).toEqual([])
  })

  it('sends a long file in parts, with progress on stderr', async () => {
    const padding = 'x'.repeat(12_000)
    const tokens = Array.from({ length: 12 }, (_, index) => token(`user${index}`, { refreshToken: padding }))
    await file('many.json', tokens)
    const finished = await run('connect import oauth/mail --project agent --data @many.json --json')
    expect(finished.code).toBe(0)
    expect(documentOf(finished)).toMatchObject({ accepted: 12, imported: 12 })
    expect(finished.stderr).toContain('Sent 12 of 12 tokens.')
    expect((await grants(' --limit 100')).length).toBe(12)
  })

  it("prints the provider's page", async () => {
    expect(await json('connect open oauth/mail')).toEqual({ url: `${provider.url}/apps/client` })
    expect((await run('connect open oauth/mail')).stdout).toBe(`${provider.url}/apps/client\n`)
  })

  it.each([
    ['a project that does not exist', 'connect import oauth/mail --project nobody --data @tokens.json', 1],
    ['a connector that does not exist', 'connect import oauth/no --project agent --data @tokens.json', 1],
    ['a file that is not there', 'connect import oauth/mail --project agent --data @nowhere.json', 2],
    ['a file that is no JSON', 'connect import oauth/mail --project agent --data @broken.json', 2],
    [
      'tokens on the command line',
      'connect import oauth/mail --project agent --data [{"accessToken":"sk-secret"}]',
      2,
    ],
    ['no choice of whose tokens', 'connect revoke-tokens oauth/mail --yes', 2],
    ['grants of a connector that does not exist', 'connect grants list oauth/no', 1],
    ['a page of a connector that does not exist', 'connect open oauth/no', 1],
  ])('refuses %s with one JSON document and its exit status', async (_what, command, exit) => {
    await file('broken.json', '[{"accessToken":"sk-secret"')
    const finished = await run(`${command} --json`)
    expect(documentOf(finished)).toMatchObject({ error: { code: expect.any(String) } })
    expect(finished.code).toBe(exit)
    expect(finished.stdout + finished.stderr).not.toContain('sk-secret')
  })

  it('leaves no token and no secret in the audit trail or the log', async () => {
    await json('audit export --output trail.jsonl')
    const trail = await readFile(join(folder, 'trail.jsonl'), 'utf8')
    expect(trail).toContain('tokens.import')
    expect(trail + dev.lines.join('\n')).not.toMatch(/-(?:access|refresh|client)-secret/)
  })
})
