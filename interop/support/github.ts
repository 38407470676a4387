import { generateKeyPairSync } from 'node:crypto'
import { createEmulator } from 'emulate'

/** emulate's GitHub, with one App. */
export interface GitHubService {
  readonly url: string
  /** What an operator enters for the App. */
  readonly connector: {
    readonly appId: number
    readonly privateKeyPem: string
    readonly apiUrl: string
    readonly webUrl: string
  }
  /** How many installation tokens it has made. */
  tokensMade(): Promise<number>
  close(): Promise<void>
}

/** An account with its repositories, where the App is installed. */
export interface Account {
  readonly login: string
  readonly installationId: number
  readonly repositories: readonly string[]
}

export const appId = 12_345

const acme: Account = { login: 'acme', installationId: 100, repositories: ['website', 'payroll'] }
const permissions = { contents: 'write', metadata: 'read', issues: 'write' }

/** A key as GitHub makes one for an App. */
export function createAppKey(): string {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
}

/** Starts it; the App is installed on every account for all its repositories. */
export async function startGitHub(
  options: { readonly accounts?: readonly Account[]; readonly privateKeyPem?: string } = {},
): Promise<GitHubService> {
  const { accounts = [acme], privateKeyPem = createAppKey() } = options
  const service = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      github: {
        users: [{ login: 'octocat' }],
        orgs: accounts.map(({ login }) => ({ login })),
        repos: accounts.flatMap(({ login, repositories }) =>
          repositories.map((name) => ({ owner: login, name, private: true, auto_init: true })),
        ),
        apps: [
          {
            app_id: appId,
            slug: 'mybot',
            name: 'My bot',
            private_key: privateKeyPem,
            permissions,
            installations: accounts.map(({ login, installationId }) => ({
              installation_id: installationId,
              account: login,
              repository_selection: 'all',
              permissions,
            })),
          },
        ],
      },
    },
  })
  const url = service.url.replace('localhost', '127.0.0.1')
  return {
    url,
    connector: { appId, privateKeyPem, apiUrl: url, webUrl: url },
    async tokensMade() {
      const answer = await fetch(`${url}/_emulate/installation-tokens`)
      const { installation_tokens: tokens } = (await answer.json()) as { installation_tokens: unknown[] }
      return tokens.length
    },
    close: () => service.close(),
  }
}

/** Calls GitHub's REST API with a token, as any client would, and returns the status. */
export async function callGitHub(
  url: string,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<number> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  await answer.body?.cancel()
  return answer.status
}

/** A detail that narrows a token to repositories and permissions. */
export function detail(
  repositories: readonly string[],
  permissions: readonly string[],
): { readonly type: 'github_app_installation' } & Record<string, unknown> {
  return { type: 'github_app_installation', repositories, permissions }
}
