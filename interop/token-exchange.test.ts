import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevelopment, type TestBroker } from './support/broker.ts'
import { endAll, startRunning } from './support/command.ts'
import { type GitHubService, startGitHub } from './support/github.ts'
import { putDatabase } from './support/migrated.ts'
import { attach, createConnector, createWorkload } from './support/operator.ts'

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const type = 'urn:ietf:params:oauth:token-type'

describe('openid-client exchanges an identity for a token (RFC 8693)', () => {
  let broker: TestBroker
  let github: GitHubService
  let config: client.Configuration
  let identity: string
  beforeAll(async () => {
    ;[broker, github] = await Promise.all([startDevelopment(), startGitHub()])
    identity = await createWorkload(broker.owner, 'agent')
    await createConnector(broker.owner, 'github', 'mybot', github.connector)
    await createConnector(broker.owner, 'api-key', 'weather', { value: 'weather-key' })
    await createConnector(broker.owner, 'api-key', 'elsewhere', { value: 'not-for-agent' })
    const ceiling = [
      { type: 'github_app_installation', repositories: ['acme/website'], permissions: ['contents:read'] },
    ]
    await attach(broker.owner, 'github/mybot', 'agent', 'development', { authorizationDetails: ceiling })
    await attach(broker.owner, 'api-key/weather', 'agent', 'development')
    config = await client.discovery(new URL(broker.url), 'any-name', undefined, client.None(), {
      execute: [client.allowInsecureRequests],
    })
  })
  afterAll(async () => {
    await broker.close()
    await github.close()
  })

  const exchange = (audience: string, more: Readonly<Record<string, string>> = {}) =>
    client.genericGrantRequest(config, grantType, {
      subject_token: identity,
      subject_token_type: `${type}:jwt`,
      audience,
      ...more,
    })

  const refusal = (audience: string, more?: Readonly<Record<string, string>>) =>
    exchange(audience, more).then(
      () => undefined,
      (error: unknown) => (error instanceof client.ResponseBodyError ? [error.status, error.error] : error),
    )

  it('gets a token of GitHub, narrowed to what was asked for', async () => {
    const details = [{ type: 'github_app_installation', repositories: ['acme/website'] }]
    const answer = await exchange('github/mybot', { authorization_details: JSON.stringify(details) })
    expect(answer).toMatchObject({
      access_token: expect.stringMatching(/^ghs_/),
      issued_token_type: `${type}:access_token`,
      token_type: 'bearer',
      authorization_details: [{ repositories: ['acme/website'] }],
    })
    expect(answer.expiresIn()).toBeGreaterThan(3_000)
  })

  it('gets an API key, which it is told is no Bearer token', async () => {
    expect(await exchange('api-key/weather')).toMatchObject({
      access_token: 'weather-key',
      token_type: 'n_a',
    })
  })

  it('reads the errors of RFC 6749, RFC 8693 and RFC 9396', async () => {
    const beyond = [{ type: 'github_app_installation', repositories: ['acme/payroll'] }]
    expect(await refusal('github/mybot', { authorization_details: JSON.stringify(beyond) })).toEqual([
      400,
      'invalid_authorization_details',
    ])
    expect(await refusal('api-key/elsewhere')).toEqual([400, 'invalid_target'])
    expect(await refusal('api-key/nowhere')).toEqual([400, 'invalid_target'])
    expect(await refusal('api-key/weather', { subject_token: 'a.b.c' })).toEqual([400, 'invalid_request'])
  })
})

describe('the example of docs/token-exchange.md', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'valetkey-interop-'))
  })
  afterAll(async () => {
    await endAll()
    await rm(folder, { recursive: true, force: true })
  })

  it('works as printed, in a folder with `valetkey dev`', async () => {
    const page = await readFile(new URL('../docs/token-exchange.md', import.meta.url), 'utf8')
    const printed = /```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    expect(printed).toContain('curl')
    putDatabase(join(folder, '.valetkey'))
    await startRunning(folder, ['dev', '--port', '0'])

    // A person has the command on the path.
    const bin = join(folder, 'bin')
    const command = fileURLToPath(new URL('../packages/cli/dist/bin.js', import.meta.url))
    await mkdir(bin)
    await writeFile(join(bin, 'valetkey'), `#!/bin/sh\nexec "${process.execPath}" "${command}" "$@"\n`)
    await chmod(join(bin, 'valetkey'), 0o755)
    const env = { PATH: [bin, process.env.PATH].join(delimiter), HOME: folder, NO_COLOR: '1' }
    const stdout = await new Promise<string>((resolve, reject) => {
      execFile('sh', ['-e', '-c', printed], { cwd: folder, env }, (error, out, err) =>
        error === null ? resolve(out) : reject(new Error(`${out}\n${err}`)),
      )
    })
    expect(JSON.parse(stdout.slice(stdout.lastIndexOf('{"access_token"')))).toMatchObject({
      access_token: 'weather-key',
      token_type: 'N_A',
      issued_token_type: `${type}:access_token`,
    })
  })
})
