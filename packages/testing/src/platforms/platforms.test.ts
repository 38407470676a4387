import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as platforms from './index.ts'
import {
  type FakePlatform,
  startAws,
  startAzure,
  startBitbucket,
  startBuildkite,
  startCircleci,
  startDenoDeploy,
  startFly,
  startGithubActions,
  startGitlab,
  startGoogleCloud,
  startHcpTerraform,
  startKubernetes,
  startModal,
  startSemaphore,
  startSpacelift,
  startSpiffe,
  startTriggerDev,
  startVercel,
} from './index.ts'

const audience = 'https://broker.example'
const nodeModules = mkdtempSync(join(tmpdir(), 'valetkey-testing-'))

// What rules can pin, by the names that the platforms give it.
const starts: readonly (readonly [string, () => Promise<FakePlatform>, readonly string[]])[] = [
  [
    'GitHub Actions',
    startGithubActions,
    ['repository_id', 'repository_owner_id', 'environment', 'ref', 'job_workflow_ref', 'event_name', 'nbf'],
  ],
  [
    'GitLab',
    () => startGitlab({ audience }),
    ['project_id', 'namespace_id', 'job_project_id', 'environment_protected', 'ref_protected'],
  ],
  ['CircleCI', startCircleci, ['oidc.circleci.com/org-id', 'oidc.circleci.com/project-id']],
  [
    'Buildkite',
    startBuildkite,
    ['organization_id', 'pipeline_id', 'cluster_id', 'build_branch', 'build_source'],
  ],
  ['Bitbucket', () => startBitbucket({ audience }), ['repositoryUuid']],
  [
    'HCP Terraform',
    () => startHcpTerraform({ audience }),
    ['terraform_organization_id', 'terraform_project_id', 'terraform_workspace_id', 'terraform_run_phase'],
  ],
  ['Semaphore', startSemaphore, ['org_id', 'prj_id', 'job_type', 'ref']],
  ['Spacelift', startSpacelift, ['spaceId', 'callerId', 'runType', 'scope']],
  ['Vercel', startVercel, ['owner_id', 'project_id', 'environment']],
  ['Fly.io', startFly, ['org_id', 'app_id']],
  ['Trigger.dev', startTriggerDev, []],
  ['Deno Deploy', () => startDenoDeploy({ nodeModules }), ['org_id', 'app_id', 'context_id', 'nbf']],
  ['Modal', startModal, ['workspace_id', 'environment_id', 'app_id', 'function_id']],
  ['SPIFFE', () => startSpiffe({ audience }), []],
  ['Kubernetes', () => startKubernetes({ audience }), ['kubernetes.io']],
  ['Google Cloud', startGoogleCloud, ['email', 'email_verified']],
  ['Azure', startAzure, ['oid', 'azp', 'tid', 'ver']],
  ['AWS', startAws, ['https://sts.amazonaws.com/']],
]

describe('the fakes', () => {
  const running: FakePlatform[] = []
  beforeAll(async () => {
    running.push(...(await Promise.all(starts.map(([, start]) => start()))))
  })
  afterAll(async () => {
    await Promise.all(running.map((platform) => platform.close()))
    rmSync(nodeModules, { recursive: true, force: true })
  })

  it('are all that is exported', () => {
    expect(Object.keys(platforms)).toHaveLength(starts.length)
  })

  it.each(starts.map(([name, , claims], index) => ({ name, claims, index })))(
    '$name: its tokens verify with the keys that its issuer publishes, and have its claims',
    async ({ claims, index }) => {
      const platform = running[index]
      if (platform === undefined) throw new Error('not started')
      const { issuer } = platform
      const answer = await fetch(`${issuer}/.well-known/openid-configuration`)
      const discovery = (await answer.json()) as { issuer: string; jwks_uri: string }
      expect(discovery.issuer).toBe(issuer)
      const { payload } = await jwtVerify(
        platform.identity(audience, { more: 1 }),
        createRemoteJWKSet(new URL(discovery.jwks_uri)),
        { issuer, audience },
      )
      expect(Object.keys(payload)).toEqual(expect.arrayContaining(['sub', 'iat', 'exp', 'more', ...claims]))
      expect((payload.exp ?? 0) > (payload.iat ?? 0)).toBe(true)
    },
  )
})

describe('a fake', () => {
  it('writes the claims, the lifetime and the time that it is told', async () => {
    const now = (): number => Date.parse('2026-01-01T00:00:00Z')
    const platform = await startGithubActions({
      claims: { environment: 'staging', ref: undefined },
      lifetimeSeconds: 60,
      now,
    })
    const [, body = ''] = platform.identity(audience).split('.')
    await platform.close()
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    expect(claims).toMatchObject({ environment: 'staging', iat: 1_767_225_600, exp: 1_767_225_660 })
    expect(claims).not.toHaveProperty('ref')
  })

  it('has a fault for as many answers as it is told, and counts who asks', async () => {
    const platform = await startTriggerDev()
    const { TRIGGER_API_URL, TRIGGER_RUN_TOKEN } = platform.environment
    const ask = async (token = TRIGGER_RUN_TOKEN): Promise<number> => {
      const { status } = await platform.fetch(`${TRIGGER_API_URL}/api/v1/auth/oidc/token`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ audience }),
        redirect: 'manual',
      })
      return status
    }
    platform.misbehave('rate-limited', 2)
    expect([await ask(), await ask(), await ask()]).toEqual([429, 429, 200])
    platform.misbehave('unavailable')
    expect([await ask(), await ask()]).toEqual([503, 503])
    platform.misbehave()
    expect([await ask(), await ask('another')]).toEqual([200, 401])
    platform.misbehave('redirect')
    expect(await ask()).toBe(307)
    expect(platform.asked()).toBe(8)
    await platform.close()
  })

  it('that puts its token into a variable has no fault of answers', async () => {
    const platform = await startGitlab({ audience })
    expect(() => platform.misbehave('hang')).toThrow(TypeError)
    platform.misbehave('refuses', 1)
    expect(platform.environment).not.toHaveProperty('VALETKEY_ID_TOKEN')
    expect(platform.environment).toHaveProperty('VALETKEY_ID_TOKEN')
    await platform.close()
  })

  it('answers at the platform’s fixed address through its fetch, and nowhere else', async () => {
    const platform = await startGoogleCloud()
    const path = `/computeMetadata/v1/instance/service-accounts/default/identity?audience=${audience}&format=full`
    const headers = { 'metadata-flavor': 'Google' }
    const asText = await platform.fetch(`http://metadata.google.internal${path}`, { headers })
    const asRequest = await platform.fetch(new Request(`http://169.254.169.254${path}`, { headers }))
    expect([asText.status, asRequest.status, asText.headers.get('metadata-flavor')]).toEqual([
      200,
      200,
      'Google',
    ])
    expect((await platform.fetch(`http://metadata.google.internal${path}`)).status).toBe(403)
    await platform.close()
  })

  it('of a file replaces its token in one step, and takes it away again', async () => {
    const platform = await startKubernetes({ audience })
    const first = readFileSync(platform.tokenFile, 'utf8')
    platform.rotate()
    expect(readFileSync(platform.tokenFile, 'utf8')).not.toBe(first)
    platform.misbehave('garbage')
    expect(readFileSync(platform.tokenFile, 'utf8')).toBe('not-a-token')
    platform.misbehave('refuses')
    expect(() => readFileSync(platform.tokenFile)).toThrow('ENOENT')
    await platform.close()
  })

  it('of Vercel has a token for the request that is served, and exchanges none but its own', async () => {
    const platform = await startVercel()
    const context = (): unknown =>
      (globalThis as { [key: symbol]: { get(): unknown } | undefined })[
        Symbol.for('@vercel/request-context')
      ]?.get()
    const served = await platform.duringRequest(async () => context())
    expect(served).toEqual({ headers: { 'x-vercel-oidc-token': expect.stringMatching(/^eyJ/) } })
    expect(context()).toBeUndefined()
    const exchange = async (token: string): Promise<number> => {
      const body = JSON.stringify({ token, aud: audience })
      return (await platform.fetch('https://oidc.vercel.com/~token', { method: 'POST', body })).status
    }
    const { VERCEL_OIDC_TOKEN: own = '' } = platform.environment
    expect([await exchange(own), await exchange(`${own.slice(0, -8)}AAAAAAAA`)]).toEqual([200, 401])
    await platform.close()
    expect(context()).toBeUndefined()
  })

  it('of Deno Deploy leaves a package that is there as it was', async () => {
    const taken = mkdtempSync(join(tmpdir(), 'valetkey-testing-taken-'))
    const first = await startDenoDeploy({ nodeModules: taken })
    await expect(startDenoDeploy({ nodeModules: taken })).rejects.toThrow('nodeModules')
    await first.close()
    await (await startDenoDeploy({ nodeModules: taken })).close()
    rmSync(taken, { recursive: true })
  })
})
