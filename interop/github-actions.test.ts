import { execFile } from 'node:child_process'
import type { IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServe, type TestBroker } from './support/broker.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { attach, createConnector } from './support/operator.ts'

const requestToken = 'the-request-token-of-the-job'
const job = {
  sub: 'repo:acme/website:environment:production',
  repository: 'acme/website',
  repository_id: '123456789',
  repository_owner: 'acme',
  repository_owner_id: '42',
  ref: 'refs/heads/main',
  environment: 'production',
  workflow: 'deploy',
  job_workflow_ref: 'acme/website/.github/workflows/deploy.yml@refs/heads/main',
  event_name: 'push',
  run_id: '1',
}

/**
 * GitHub's token service, written from its documentation (docs.github.com/actions/reference/security/oidc): the
 * request URL has a query already, takes `audience`, and answers `{ value }` to the bearer of the request token.
 */
async function serveIdentity(request: IncomingMessage, issuer: TestIssuer, audiences: string[]) {
  const url = new URL(request.url ?? '', issuer.url)
  const known = request.headers.authorization === `Bearer ${requestToken}`
  if (request.method !== 'GET' || url.pathname !== '/idtoken' || !known) return undefined
  if (url.searchParams.get('api-version') !== '2.0') return undefined
  const audience = url.searchParams.get('audience') ?? 'https://github.com/acme'
  audiences.push(audience)
  return { count: 1, value: await issuer.identity(job, audience) }
}

describe('the SDK in a process that looks like a GitHub Actions job', () => {
  const audiences: string[] = []
  let issuer: TestIssuer
  let broker: TestBroker

  beforeAll(async () => {
    issuer = await startIssuer({
      algorithm: 'RS256',
      answer: (request, self) => serveIdentity(request, self, audiences),
    })
    broker = await startServe({ VALETKEY_EGRESS_ALLOW: '127.0.0.1' })
    const { owner } = broker
    await owner.call('POST', '/v1/projects', { name: 'website' })
    await owner.call('POST', '/v1/projects/website/trust', {
      environment: 'production',
      issuer: issuer.url,
      claims: { sub: 'repo:acme/website:environment:production', repository_id: '123456789' },
    })
    await createConnector(owner, 'api-key', 'weather', { value: 'weather-key' })
    await attach(owner, 'api-key/weather', 'website', 'production')
  })
  afterAll(async () => {
    await broker.close()
    await issuer.close()
  })

  const actions = () => ({
    GITHUB_ACTIONS: 'true',
    CI: 'true',
    GITHUB_REPOSITORY: 'acme/website',
    ACTIONS_ID_TOKEN_REQUEST_URL: `${issuer.url}/idtoken?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken,
  })

  /** Runs the step with only these variables, as JSON. */
  function runStep(variables: Readonly<Record<string, string>>): Promise<unknown> {
    const script = fileURLToPath(new URL('./support/github-actions-job.ts', import.meta.url))
    const node = ['--conditions=@valetkey/source', '--disable-warning=ExperimentalWarning', script]
    const env = { PATH: process.env.PATH, ...variables }
    return new Promise((resolve, reject) => {
      execFile(process.execPath, node, { env }, (error, stdout) => {
        if (error === null) resolve(JSON.parse(stdout))
        else reject(error)
      })
    })
  }

  it('gets a token with the job’s own identity, made for the broker’s URL, and asks for it once', async () => {
    audiences.length = 0
    expect(await runStep({ ...actions(), VALETKEY_URL: `${broker.url}/` })).toEqual({
      tokens: ['weather-key', 'weather-key'],
    })
    expect(audiences).toEqual([broker.url])
  })

  it('is told which permission the workflow lacks, when the job has no identity', async () => {
    const { ACTIONS_ID_TOKEN_REQUEST_URL: _url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: _token, ...job } = actions()
    expect(await runStep({ ...job, VALETKEY_URL: broker.url })).toEqual({
      code: 'identity_unavailable',
      message: expect.stringContaining('id-token: write'),
    })
  })

  it('stops at a broken identity, though an access token is there too', async () => {
    const variables = { ...actions(), ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'expired', VALETKEY_URL: broker.url }
    expect(await runStep({ ...variables, VALETKEY_ACCESS_TOKEN: 'vk_unused' })).toEqual({
      code: 'identity_unavailable',
      message: expect.stringContaining('GitHub Actions'),
    })
  })

  it('is refused by the broker when the rule is for another repository', async () => {
    const { owner } = broker
    const path = '/v1/projects/website/trust'
    const { rules } = await owner.call<{ rules: { id: string }[] }>('GET', path)
    for (const { id } of rules) await owner.call('DELETE', `${path}/${id}`)
    const rule = { environment: 'production', issuer: issuer.url }
    await owner.call('POST', path, { ...rule, claims: { sub: 'repo:acme/payroll:environment:production' } })
    expect(await runStep({ ...actions(), VALETKEY_URL: broker.url })).toMatchObject({
      code: 'identity_invalid',
    })
  })
})
