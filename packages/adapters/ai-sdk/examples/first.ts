import { connectTool } from '@valetkey/ai-sdk'
import { type LanguageModel, streamText } from 'ai'
import { z } from 'zod'

const myIssues = connectTool({
  connector: 'linear/mybot',
  description: 'Lists the issues of the user',
  inputSchema: z.object({ state: z.enum(['open', 'done']) }),
  // Whose issues: from your session, and never from what the model writes.
  contextSchema: z.object({ userId: z.string() }),
  params: ({ userId }) => ({ subject: { type: 'user', id: userId }, scopes: ['read'] }),
  async execute({ state }, { fetch }) {
    const response = await fetch('https://api.linear.app/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: '{ viewer { assignedIssues { nodes { title state { type } } } } }',
      }),
    })
    return { state, issues: await response.json() }
  },
})

export function chat(model: LanguageModel, session: { userId: string }, prompt: string): Response {
  const result = streamText({
    model,
    prompt,
    tools: { myIssues },
    toolsContext: { myIssues: { userId: session.userId } },
  })
  return result.toUIMessageStreamResponse()
}
