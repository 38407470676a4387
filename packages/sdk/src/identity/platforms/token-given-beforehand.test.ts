import fs from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type FakePlatform,
  startBitbucket,
  startGitlab,
  startHcpTerraform,
  startKubernetes,
  startModal,
  startSemaphore,
  startSpacelift,
  startSpiffe,
} from '@valetkey/testing/platforms'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { brokerUrl, errorOf } from '../../test-support/fakes.ts'
import { workloadOn } from '../test-support/workload.ts'

const audience = brokerUrl
let folder: string
let cluster: FakePlatform

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-sdk-'))
  cluster = await startKubernetes({ audience })
})
afterAll(async () => {
  await cluster.close()
  await rm(folder, { recursive: true, force: true })
})

describe('a token in a file', () => {
  it.each([
    ['kubernetes', startKubernetes],
    ['spiffe', startSpiffe],
  ])('%s: is read again by each exchange, and a replaced one is seen', async (_name, start) => {
    const platform = await start({ audience })
    const { call, sent } = workloadOn(platform)
    await call()
    platform.rotate()
    await call('another')
    platform.misbehave('refuses')
    expect((await errorOf(call('gone'))).code).toBe('identity_unavailable')
    platform.misbehave()
    await call('back')
    await platform.close()
    const credentials = sent.map(({ headers }) => headers.get('authorization'))
    expect(new Set(credentials).size).toBe(3)
  })

  it('is replaced once when the issuing point calls it expired, if there is another', async () => {
    const platform = await startKubernetes({ audience })
    const answer = (): Response => {
      platform.rotate()
      return Response.json({ error: { code: 'identity_expired' } }, { status: 401 })
    }
    const { call, sent } = workloadOn(platform, { answer })
    expect((await errorOf(call())).code).toBe('identity_expired')
    expect(sent).toHaveLength(2)
    await platform.close()
  })

  it.each(['VALETKEY_KUBERNETES_TOKEN_FILE', 'VALETKEY_SPIFFE_TOKEN_FILE', 'VALETKEY_ID_TOKEN_FILE'])(
    'S14 in %s that is for somebody else is not sent',
    async (variable) => {
      for (const [index, other] of [
        'https://kubernetes.default.svc',
        'https://kubernetes.default.svc.cluster.local',
        'sts.amazonaws.com',
        'pods.eks.amazonaws.com',
        'api://AzureADTokenExchange',
        'https://container.googleapis.com/v1/projects/acme/locations/x/clusters/y',
      ].entries()) {
        const path = join(folder, `${variable}-${index}`)
        await writeFile(path, cluster.identity(other))
        const { call, sent, variables } = workloadOn(cluster)
        delete variables.VALETKEY_KUBERNETES_TOKEN_FILE
        variables[variable] = path
        const error = await errorOf(call())
        expect([other, error.code]).toEqual([other, 'identity_unavailable'])
        expect(error.message).toContain('another audience')
        expect(sent).toEqual([])
      }
    },
  )

  it.each([
    '/var/run/secrets/kubernetes.io/serviceaccount/token',
    '/run/secrets/kubernetes.io/serviceaccount/token',
    '/var/run//secrets/eks.amazonaws.com/serviceaccount/token',
    '/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token',
    '/var/run/secrets/azure/tokens/azure-identity-token',
  ])('S14 %s is never read, and the message says what to project instead', async (path) => {
    const { call, sent } = workloadOn(cluster, { variables: { VALETKEY_KUBERNETES_TOKEN_FILE: path } })
    const { message } = await errorOf(call())
    expect(message).toContain('mounts for somebody else')
    expect(message).toContain(`audience: ${brokerUrl}`)
    expect(sent).toEqual([])
  })

  it('S14 that a cluster or cloud puts there for itself is no identity', async () => {
    const path = join(folder, 'for-somebody-else')
    await writeFile(path, cluster.identity(brokerUrl))
    const { call, sent, variables } = workloadOn(cluster)
    delete variables.VALETKEY_KUBERNETES_TOKEN_FILE
    delete variables.VALETKEY_ACCESS_TOKEN
    Object.assign(variables, {
      AWS_WEB_IDENTITY_TOKEN_FILE: path,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: path,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/website',
      AZURE_FEDERATED_TOKEN_FILE: path,
      SPIFFE_ENDPOINT_SOCKET: `unix://${path}`,
    })
    const { message } = await errorOf(call())
    expect(sent).toEqual([])
    expect(message).toContain('No identity was found')
    expect(message).toContain('project one for the issuing point')
    expect(message).toContain('is for AWS, and is never sent')
    expect(message).toContain('is for Microsoft Entra, and is never sent')
    expect(message).not.toContain(path)
  })

  it('of Spacelift is read where the run has no variable', async () => {
    const platform = await startSpacelift()
    const path = join(folder, 'spacelift.oidc')
    await writeFile(path, platform.identity('acme.app.spacelift.io'))
    const { open } = fs.promises
    vi.spyOn(fs.promises, 'open').mockImplementation((file, flags) =>
      open(file === '/mnt/workspace/spacelift.oidc' ? path : file, flags),
    )
    const { call, identities, variables } = workloadOn(platform)
    delete variables.SPACELIFT_OIDC_TOKEN
    await call()
    expect(identities()).toMatchObject([{ audiences: ['acme.app.spacelift.io'] }])
    await rm(path)
    expect((await errorOf(call('another'))).message).toContain('Spacelift')
    await platform.close()
  })

  it('that is not there yet is found once it is', async () => {
    const path = join(folder, 'later')
    const { call, variables } = workloadOn(cluster)
    delete variables.VALETKEY_KUBERNETES_TOKEN_FILE
    delete variables.VALETKEY_ACCESS_TOKEN
    expect((await errorOf(call())).message).toContain('No identity was found')
    variables.VALETKEY_KUBERNETES_TOKEN_FILE = path
    expect((await errorOf(call())).message).toContain('ENOENT')
    await writeFile(path, cluster.identity(brokerUrl))
    expect(await call()).toBe('provider-token')
  })
})

describe('a token in a variable', () => {
  it.each([
    ['gitlab', startGitlab],
    ['bitbucket', startBitbucket],
    ['hcp-terraform', startHcpTerraform],
  ])('%s: a new one is seen at once, and callers with different ones share nothing', async (_name, start) => {
    let at = Date.now()
    const now = (): number => {
      at += 1000
      return at
    }
    const platform = await start({ audience, now })
    const { call, sent, variables } = workloadOn(platform)
    await call()
    await call()
    Object.assign(variables, platform.environment)
    await call()
    await platform.close()
    expect(sent).toHaveLength(2)
    expect(sent[0]?.headers.get('authorization')).not.toBe(sent[1]?.headers.get('authorization'))
  })

  it.each([
    ['gitlab', { GITLAB_CI: 'true' }, 'id_tokens'],
    ['bitbucket', { BITBUCKET_BUILD_NUMBER: '1' }, 'audiences'],
    ['hcp-terraform', { TFC_RUN_ID: 'run-1' }, 'TFC_WORKLOAD_IDENTITY_AUDIENCE_VALETKEY'],
  ])('%s: when it is missing, the message says what to write where', async (_name, variables, remedy) => {
    const { call, sent } = workloadOn({ ...cluster, environment: {} }, { variables })
    const { message } = await errorOf(call())
    expect(message).toContain(remedy)
    expect(message).toContain(brokerUrl)
    expect(message).toContain('VALETKEY_IDENTITY')
    expect(sent).toEqual([])
  })

  it('S14 that is for somebody else stays, beside one for the issuing point and without it', async () => {
    const terraform = await startHcpTerraform({ audience, tag: 'VALETKEY' })
    const ofRun = workloadOn(terraform, {
      variables: { TFC_WORKLOAD_IDENTITY_TOKEN: terraform.identity('aws.workload.identity') },
    })
    await ofRun.call()
    delete ofRun.variables.TFC_WORKLOAD_IDENTITY_TOKEN_VALETKEY
    expect((await errorOf(ofRun.call())).message).toContain('HCP Terraform gave an identity for another')
    expect(ofRun.identities().map((claims) => claims?.audiences)).toEqual([[audience]])
    await terraform.close()

    const gitlab = await startGitlab({ audience: 'sigstore', variable: 'SIGSTORE_ID_TOKEN' })
    const ofJob = workloadOn(gitlab)
    expect((await errorOf(ofJob.call())).message).toContain('GitLab CI gave no identity')
    expect(ofJob.sent).toEqual([])
    await gitlab.close()
  })

  it('S14 of several audiences is not sent: the others could be sent it too', async () => {
    const platform = await startBitbucket({ audience, claims: { aud: [brokerUrl, 'https://other.example'] } })
    const { call, sent } = workloadOn(platform)
    expect((await errorOf(call())).message).toContain('another audience')
    expect(sent).toEqual([])
    await platform.close()
  })

  it.each([
    ['semaphore', () => startSemaphore()],
    ['spacelift', () => startSpacelift()],
    ['modal', () => startModal()],
  ])('S14 %s: is used only where VALETKEY_IDENTITY names it', async (_name, start) => {
    const platform = await start()
    const { call, sent, variables } = workloadOn(platform)
    await call()
    delete variables.VALETKEY_IDENTITY
    await call()
    expect(sent.map(({ headers }) => headers.get('authorization') === 'Bearer the-access-token')).toEqual([
      false,
      true,
    ])
    await platform.close()
  })
})
