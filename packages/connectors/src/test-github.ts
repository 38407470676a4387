import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { jwtVerify } from 'jose'
import type { JsonObject } from './driver.ts'
import { type FakeAnswer, type SeenRequest, serve } from './test-server.ts'

/** The time at which the fake GitHub lives. */
export const now: number = Date.parse('2026-11-21T12:00:00Z')
/** When the tokens it issues end. */
export const expiresAt = '2026-11-21T13:00:00Z'
/** The token it issues: as long as real ones are since April 2026, with their dots. */
export const issuedToken: string = `ghs_12345_${'x'.repeat(500)}.y.z`
/** The key of its app, which has the number 12345. */
export const privateKeyPem: string = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString()

const reached = { contents: 'write', issues: 'write', metadata: 'read' }

/** An installation of the app. */
export interface FakeInstallation {
  readonly id: number
  readonly login: string
  readonly suspended?: boolean
}

/** A GitHub that does as documented, unless `overrides` has an answer for `METHOD /path`. */
export interface FakeGitHub {
  /** The origin; the API is at `/api/v3`. */
  readonly url: string
  readonly seen: readonly SeenRequest[]
  installations: readonly FakeInstallation[]
  readonly overrides: Record<string, FakeAnswer>
  /** `METHOD /path` of everything it was asked. */
  readonly calls: () => readonly string[]
  /** The body with which a token was asked for. */
  readonly asked: () => unknown
  readonly close: () => Promise<void>
}

/** Starts a GitHub whose app is installed on `Acme` (100) and `octocat` (200). */
export async function fakeGitHub(): Promise<FakeGitHub> {
  const provider = await serve((request) => answer(github, request))
  const github: FakeGitHub = {
    url: provider.url,
    seen: provider.seen,
    installations: [
      { id: 100, login: 'Acme' },
      { id: 200, login: 'octocat' },
    ],
    overrides: {},
    calls: () => provider.seen.map((request) => `${request.method} ${request.path.replace('/api/v3', '')}`),
    asked: () => {
      const request = provider.seen.find((each) => each.path.endsWith('/access_tokens'))
      return request && JSON.parse(request.body)
    },
    close: provider.close,
  }
  return github
}

/** The answer with which a token is issued, carrying `what`. */
export function granting(what: JsonObject): FakeAnswer {
  return { status: 201, json: { token: issuedToken, expires_at: expiresAt, ...what } }
}

async function answer(github: FakeGitHub, request: SeenRequest): Promise<FakeAnswer | undefined> {
  const path = request.path.replace(/^\/api\/v3/, '')
  const override = github.overrides[`${request.method} ${path}`]
  if (override !== undefined) return override
  if (path === '/installation/token') return endToken(request)
  if (!(await isApp(request))) return { status: 401, json: { message: 'bad jwt' } }
  if (path === '/app')
    return { json: { id: 12345, slug: 'valet', name: 'Valet', owner: { login: 'acme', id: 1 } } }
  if (path === '/app/installations?per_page=100') return { json: github.installations.map(described) }
  const byName = /^\/(users|orgs)\/([^/]+)\/installation$/.exec(path)?.[2]?.toLowerCase()
  const byId = /^\/app\/installations\/(\d+)(\/access_tokens)?$/.exec(path)
  const installation = github.installations.find(
    (each) => each.login.toLowerCase() === byName || String(each.id) === byId?.[1],
  )
  if (installation === undefined) return undefined
  return byId?.[2] === undefined
    ? { json: described(installation) }
    : issue(installation, JSON.parse(request.body))
}

async function isApp(request: SeenRequest): Promise<boolean> {
  const jwt = (request.headers.authorization ?? '').replace('Bearer ', '')
  const options = { issuer: '12345', algorithms: ['RS256'], currentDate: new Date(now) }
  return await jwtVerify(jwt, createPublicKey(privateKeyPem), options).then(
    () => true,
    () => false,
  )
}

function described(each: FakeInstallation): JsonObject {
  return {
    id: each.id,
    account: { login: each.login, id: each.id * 10 },
    suspended_at: each.suspended ? '2026-01-01T00:00:00Z' : null,
  }
}

function issue(on: FakeInstallation, asked: { repositories?: string[]; permissions?: object }): FakeAnswer {
  return granting({
    // As the real one does: who may reach a repository may read its metadata.
    permissions: asked.permissions ? { ...asked.permissions, metadata: 'read' } : reached,
    repository_selection: asked.repositories ? 'selected' : 'all',
    ...(asked.repositories
      ? { repositories: asked.repositories.map((name) => ({ full_name: `${on.login}/${name}` })) }
      : {}),
  })
}

function endToken(request: SeenRequest): FakeAnswer {
  const known = request.headers.authorization === `Bearer ${issuedToken}`
  return request.method === 'DELETE' && known
    ? { status: 204 }
    : { status: 401, json: { message: 'Bad credentials' } }
}
