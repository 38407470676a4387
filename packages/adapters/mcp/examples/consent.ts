import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { connectTransport, getConsentChallenge } from '@valetkey/mcp'

/** What your session keeps on the server, for the person who is signed in. */
interface Session {
  readonly userId: string
  readonly verifiers: Map<string, string>
}

/** The route that needs Linear: the answer, or the way to the consent. */
export async function triage(session: Session): Promise<Response> {
  const url = new URL('https://mcp.linear.app/mcp')
  const params = { subject: { type: 'user', id: session.userId } } as const
  const options = { redirectUrl: 'https://app.example/connected' }
  try {
    const client = new Client({ name: 'triage', version: '1.0.0' })
    const connected = connectTransport(url, 'linear/mybot', params, options)
    await client.connect(new StreamableHTTPClientTransport(url, connected))
    return Response.json(await client.callTool({ name: 'list_issues' }))
  } catch (error) {
    const challenge = getConsentChallenge(error)
    if (challenge === undefined) throw error
    session.verifiers.set(challenge.request, challenge.verifier)
    return Response.redirect(challenge.url, 303)
  }
}
