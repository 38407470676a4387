// agent/connections/linear.ts
import { connect } from '@valetkey/eve'
import { defineMcpClientConnection, type McpClientConnectionDefinition } from 'eve/connections'

const linear: McpClientConnectionDefinition = defineMcpClientConnection({
  url: 'https://mcp.linear.app/mcp',
  description: 'Linear: issues, projects and cycles.',
  auth: connect({ connector: 'oauth/linear', returnPath: '/valetkey/return' }),
})

export default linear
