import { generateKeyPairSync } from 'node:crypto'
import { asObject } from './broker.ts'
import type { Clock } from './clock.ts'
import { type LoopbackServer, sendJson, startLoopbackServer } from './http.ts'

/** The key of the app that {@link startGitHub} knows. */
export const appKeyPem: string = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString()

/** GitHub's API for one app, installed on `acme` (100) and `octocat` (200). */
export interface TestGitHub extends LoopbackServer {
  /** What tokens were asked for: the installation and the body. */
  readonly asked: { readonly installation: string; readonly body: Readonly<Record<string, unknown>> }[]
  readonly issued: string[]
  readonly ended: string[]
}

/** Starts an API that issues what it is asked for, as documented under REST "Create an installation access token". */
export async function startGitHub(clock: Clock): Promise<TestGitHub> {
  const asked: TestGitHub['asked'] = []
  const issued: string[] = []
  const ended: string[] = []
  const installations = [
    { id: 100, account: { login: 'acme', id: 1000 }, suspended_at: null },
    { id: 200, account: { login: 'octocat', id: 2000 }, suspended_at: null },
  ]
  const server = await startLoopbackServer((request, response, text) => {
    const path = (request.url ?? '').replace(/\?.*$/, '')
    if (path === '/app')
      return sendJson(response, { id: 7, slug: 'valet', name: 'Valet', owner: { login: 'acme' } })
    if (path === '/app/installations') return sendJson(response, installations)
    if (path === '/installation/token') {
      ended.push((request.headers.authorization ?? '').replace('Bearer ', ''))
      return response.writeHead(204).end()
    }
    const owner = /^\/(?:users|orgs)\/([^/]+)\/installation$/.exec(path)?.[1]
    const number = /^\/app\/installations\/(\d+)(\/access_tokens)?$/.exec(path)
    const installation = installations.find(
      (each) => each.account.login === owner?.toLowerCase() || String(each.id) === number?.[1],
    )
    if (installation === undefined) return sendJson(response, { message: 'Not Found' }, 404)
    if (number?.[2] === undefined) return sendJson(response, installation)
    const body = asObject(text === '' ? {} : JSON.parse(text))
    asked.push({ installation: String(installation.id), body })
    const token = `ghs_${issued.length}_${'x'.repeat(60)}`
    issued.push(token)
    const { repositories, permissions } = body
    return sendJson(
      response,
      {
        token,
        expires_at: new Date(clock.now() + 3_600_000).toISOString(),
        permissions: permissions ?? { contents: 'write', metadata: 'read' },
        repository_selection: Array.isArray(repositories) ? 'selected' : 'all',
        ...(Array.isArray(repositories)
          ? {
              repositories: repositories.map((name) => ({
                full_name: `${installation.account.login}/${name}`,
              })),
            }
          : {}),
      },
      201,
    )
  })
  return { ...server, asked, issued, ended }
}
