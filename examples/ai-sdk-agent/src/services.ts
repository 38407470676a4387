import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { createEmulator } from 'emulate'

/** Something that the agent calls, and what an operator enters for its connector. */
export interface Service {
  readonly url: string
  readonly connector: object
  readonly close: () => Promise<void>
}

const permissions = { issues: 'write', metadata: 'read' }

/** Starts emulate's GitHub: an App that is installed in `acme`, for two repositories. */
export async function startGitHub(): Promise<Service> {
  const appId = 12_345
  const repository = (name: string) => ({ owner: 'acme', name, private: true, auto_init: true })
  const installation = { installation_id: 100, account: 'acme', repository_selection: 'all', permissions }
  const github = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      github: {
        users: [{ login: 'octocat' }],
        orgs: [{ login: 'acme' }],
        repos: [repository('website'), repository('payroll')],
        apps: [{ app_id: appId, slug: 'helper', name: 'Helper', permissions, installations: [installation] }],
      },
    },
  })
  const key = github.generatedSecrets.find(({ kind }) => kind === 'github.app_private_key')
  const { url } = github
  return {
    url,
    connector: { appId, privateKeyPem: key?.value, apiUrl: url, webUrl: url },
    close: () => github.close(),
  }
}

/** Starts an MCP server that takes one API key, and knows how issues are to be written. */
export async function startHandbook(): Promise<Service> {
  const apiKey = `key_${randomBytes(12).toString('hex')}`
  const mcp = createMcpHandler(() => {
    const server = new McpServer({ name: 'handbook', version: '1.0.0' })
    server.registerTool('handbook', { description: 'How issues are written here' }, () => ({
      content: [{ type: 'text', text: 'Begin the title with the area in brackets.' }],
    }))
    return server
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${apiKey}`) {
      response.writeHead(401).end()
      return
    }
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const asked = new Request(`http://${request.headers.host}${request.url}`, {
      method: request.method ?? 'GET',
      headers: request.headers as Record<string, string>,
      ...(body === '' ? {} : { body }),
    })
    const answered = await mcp.fetch(asked)
    response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text())
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  return {
    url,
    connector: { value: apiKey, serviceUrls: [url] },
    async close() {
      await mcp.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
