import { generateKeyPairSync, sign } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBroker } from '@valetkey/broker'
import { type Finished, runCommand } from './shell.ts'

/** A broker, an issuer that signs whatever it is told, and GitHub's API as far as repositories. */
export interface TrustWorld {
  readonly url: string
  readonly issuer: string
  readonly api: string
  /** Requests that GitHub got. */
  readonly asked: { readonly path: string; readonly authorization: string | undefined }[]
  /** Answers of GitHub by path: a status with a body, or where to. */
  readonly repositories: Map<
    string,
    { readonly status: number; readonly body?: unknown; readonly location?: string }
  >
  /** Runs the command against the broker as its owner. */
  run(command: string): Promise<Finished>
  json(command: string): Promise<Record<string, unknown>>
  /** Asks for a token with an identity of these claims; the status. */
  ask(claims: Readonly<Record<string, unknown>>): Promise<number>
  /** Any call as the owner. */
  manage(method: string, path: string, body?: object): Promise<Record<string, unknown>>
  close(): Promise<void>
}

const url = 'http://127.0.0.1:4571'

/** Starts one, with the project `shop` and the connector `api-key/weather` attached to it in production and staging. */
export async function startTrustWorld(): Promise<TrustWorld> {
  const made = process.env.VALETKEY_TEST_OWNED_DATABASE
  if (made === undefined) throw new Error('There is no database to copy: see tooling/test-database.ts')
  const { folder: source, keys, owner } = JSON.parse(made) as { folder: string; keys: string; owner: string }
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-cli-trust-'))
  cpSync(source, folder, { recursive: true })
  const broker = createBroker({
    publicUrl: url,
    database: { folder },
    keys,
    egressAllow: ['127.0.0.1'],
    revocationEveryMs: 2_147_483_647,
  })
  await broker.start()

  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const asked: TrustWorld['asked'] = []
  const repositories: TrustWorld['repositories'] = new Map()
  const server = createServer((request, response) => {
    const own = documentAt(request)
    const path = request.url ?? ''
    if (own === undefined) asked.push({ path, authorization: request.headers.authorization })
    const { status, body, location } = own ??
      repositories.get(path) ?? { status: 404, body: {}, location: undefined }
    response
      .writeHead(status, {
        'content-type': 'application/json',
        ...(location === undefined ? {} : { location }),
      })
      .end(JSON.stringify(body ?? {}))
  })
  function documentAt(
    request: IncomingMessage,
  ): { status: number; body: object; location?: string } | undefined {
    if (request.url === '/issuer/.well-known/openid-configuration') {
      const algorithms = { id_token_signing_alg_values_supported: ['ES256'] }
      return { status: 200, body: { issuer, jwks_uri: `${issuer}/keys`, ...algorithms } }
    }
    if (request.url !== '/issuer/keys') return undefined
    const key = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES256', use: 'sig' }
    return { status: 200, body: { keys: [key] } }
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = `${api}/issuer`

  const environment = {
    VALETKEY_URL: url,
    VALETKEY_ACCESS_TOKEN: owner,
    GITHUB_TOKEN: 'a-token-that-nobody-asked-for',
  }
  const reach: typeof fetch = (input, init) => {
    const request = new Request(input, init)
    return request.url.startsWith(`${url}/`) ? broker.fetch(request) : fetch(input, init)
  }
  const run = (command: string) => runCommand(command.split(' '), { environment, fetch: reach })
  async function call(credential: string, method: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    return broker.fetch(new Request(`${url}${path}`, init))
  }
  async function manage(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const answer = await call(owner, method, path, body)
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
    return (await answer.json()) as Record<string, unknown>
  }

  await manage('POST', '/v1/projects', { name: 'shop' })
  await manage('POST', '/v1/projects', { name: 'other' })
  await manage('POST', '/v1/connect/connectors', {
    service: 'api-key',
    name: 'weather',
    data: { value: 'key' },
  })
  await manage('POST', '/v1/connect/connectors/api-key%2Fweather/projects/shop', {
    environments: ['production', 'staging'],
  })
  return {
    url,
    issuer,
    api,
    asked,
    repositories,
    run,
    manage,
    async json(command) {
      const { code, stdout, stderr } = await run(`${command} --json`)
      if (code !== 0) throw new Error(`${command}: ${stdout}${stderr}`)
      return JSON.parse(stdout) as Record<string, unknown>
    },
    async ask(claims) {
      const iat = Math.floor(Date.now() / 1000)
      const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
      const text = `${encode({ alg: 'ES256', kid: 'key-1', typ: 'JWT' })}.${encode({
        iss: issuer,
        aud: url,
        iat,
        exp: iat + 300,
        ...claims,
      })}`
      const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      const token = `${text}.${signature.toString('base64url')}`
      const answer = await call(token, 'POST', '/v1/connect/token/api-key%2Fweather', {
        subject: { type: 'app' },
      })
      return answer.status
    },
    async close() {
      await broker.close()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
