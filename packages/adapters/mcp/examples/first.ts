import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { connectTransport } from '@valetkey/mcp'

const url = new URL('https://mcp.linear.app/mcp')
const client = new Client({ name: 'triage', version: '1.0.0' })
await client.connect(
  new StreamableHTTPClientTransport(url, connectTransport(url, 'linear/mybot', { subject: { type: 'app' } })),
)

await client.callTool({ name: 'list_issues', arguments: { limit: 10 } })
