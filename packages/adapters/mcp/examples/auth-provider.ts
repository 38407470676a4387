import { createMCPClient } from '@ai-sdk/mcp'
import { connectAuthProvider } from '@valetkey/mcp'

const authProvider = connectAuthProvider('linear/mybot', { subject: { type: 'app' } })

const client = await createMCPClient({
  transport: { type: 'http', url: 'https://mcp.linear.app/mcp', authProvider },
})

export const names: string[] = Object.keys(await client.tools())
