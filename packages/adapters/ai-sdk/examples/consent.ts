import { connectTool, isConsentRequired } from '@valetkey/ai-sdk'
import { completeAuthorization } from '@valetkey/sdk'
import { convertToModelMessages, type LanguageModel, streamText, type UIMessage } from 'ai'
import { z } from 'zod'

/** What your sessions keep on the server. */
interface Session {
  readonly userId: string
  readonly verifiers: Map<string, string>
}

// #region tool
/** One turn of a person's chat. */
export async function chat(model: LanguageModel, session: Session, messages: UIMessage[]): Promise<Response> {
  const calendar = connectTool({
    connector: 'google/calendar',
    description: 'Reads the calendar of the user',
    inputSchema: z.object({}),
    params: { subject: { type: 'user', id: session.userId }, scopes: ['calendar.readonly'] },
    callbackUrl: 'https://app.example/connected',
    onConsentRequired: ({ request, verifier }) => void session.verifiers.set(request, verifier),
    execute: async (_input, { fetch }) =>
      (await fetch('https://www.googleapis.com/calendar/v3/calendars/primary/events')).json(),
  })
  const tools = { calendar }
  // With the tools: they say what the model is shown of a consent that is missing.
  const prompt = await convertToModelMessages(messages, { tools })
  return streamText({ model, tools, messages: prompt }).toUIMessageStreamResponse()
}
// #endregion

// #region page
/** In the browser: how the part of a message with a tool's output is shown. */
export function show({ type, output }: { type: string; output: unknown }): Shown {
  // Of our own tool only: what an MCP server or another tool returns may look like anything.
  if (type !== 'tool-calendar' || !isConsentRequired(output)) return { text: JSON.stringify(output) }
  return { text: `Connect ${output.connector}`, link: output.url }
}
// #endregion

// #region callback
/** The route at `callbackUrl`: verifier and user come from the session, and only the code from the address. */
export async function connected(address: URL, session: Session): Promise<Response> {
  const request = address.searchParams.get('request') ?? ''
  const code = address.searchParams.get('code')
  const verifier = session.verifiers.get(request)
  if (verifier === undefined || code === null) return new Response('Not connected', { status: 403 })
  await completeAuthorization({ request, verifier, code, subject: { type: 'user', id: session.userId } })
  session.verifiers.delete(request)
  return new Response('Connected. Tell the assistant to go on.')
}
// #endregion

/** Whatever your pages are made of. */
export interface Shown {
  readonly text: string
  readonly link?: string
}
