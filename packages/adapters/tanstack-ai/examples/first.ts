import type { ServerTool } from '@tanstack/ai'
import { createMCPClient } from '@tanstack/ai-mcp'
import { connectMCPTransport, getConsentChallenge } from '@valetkey/tanstack-ai'

/** What your session keeps on the server, for the person who is signed in. */
interface Session {
  readonly userId: string
  readonly verifiers: Map<string, string>
}

/** The user's tools for `chat()`, or the way to the consent. */
export async function linearTools(
  session: Session,
): Promise<{ tools: ServerTool[] } | { consentAt: string }> {
  try {
    const client = await createMCPClient({
      transport: connectMCPTransport(
        { type: 'http', url: 'https://mcp.linear.app/mcp' },
        'linear/mybot',
        { subject: { type: 'user', id: session.userId } },
        { redirectUrl: 'https://app.example/connected' },
      ),
    })
    return { tools: await client.tools() }
  } catch (error) {
    const challenge = getConsentChallenge(error)
    if (challenge === undefined) throw error
    session.verifiers.set(challenge.request, challenge.verifier)
    return { consentAt: challenge.url }
  }
}
