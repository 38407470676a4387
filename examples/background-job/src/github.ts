import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEmulator } from 'emulate'

/** emulate's GitHub, behind a front that can fail. */
export interface FailingGitHub {
  readonly url: string
  /** What an operator enters for the connector. */
  readonly connector: object
  /** How often it answered 401 to a token that it had taken before. */
  readonly rejections: () => number
  /** From now on it answers 503, to everybody; or no longer. */
  breakDown(down: boolean): void
  /** From now on it does not take the token that came last. */
  rejectLastToken(): void
  readonly close: () => Promise<void>
}

/** Starts it: an App that is installed in `acme`, for one repository with one issue. */
export async function startGitHub(): Promise<FailingGitHub> {
  const appId = 12_345
  const permissions = { issues: 'read', metadata: 'read' }
  const installation = { installation_id: 100, account: 'acme', repository_selection: 'all', permissions }
  const github = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      github: {
        users: [{ login: 'octocat' }],
        orgs: [{ login: 'acme' }],
        repos: [{ owner: 'acme', name: 'website', private: true, auto_init: true }],
        apps: [{ app_id: appId, slug: 'helper', name: 'Helper', permissions, installations: [installation] }],
      },
    },
  })
  const key = github.generatedSecrets.find(({ kind }) => kind === 'github.app_private_key')
  let isDown = false
  let rejections = 0
  let last = ''
  const rejected = new Set<string>()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request
    const { authorization = '' } = headers
    // The App's own requests, for tokens, come with a JWT.
    const isToken = url.startsWith('/repos/')
    if (isToken) last = authorization
    if (isDown || (isToken && rejected.has(authorization))) {
      if (!isDown) rejections += 1
      response.writeHead(isDown ? 503 : 401).end()
      return
    }
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { accept = '*/*', 'content-type': contentType = 'application/json' } = headers
    const answered = await fetch(`${github.url}${url}`, {
      method,
      headers: { authorization, accept, 'content-type': contentType },
      ...(body === '' ? {} : { body }),
    })
    response
      .writeHead(answered.status, { 'content-type': answered.headers.get('content-type') ?? '' })
      .end(await answered.text())
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    connector: { appId, privateKeyPem: key?.value, apiUrl: url, webUrl: url },
    rejections: () => rejections,
    breakDown(down) {
      isDown = down
    },
    rejectLastToken: () => void rejected.add(last),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await github.close()
    },
  }
}
