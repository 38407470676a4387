import type { Client } from '@valetkey/sdk'
import { z } from 'zod'
import { connectTool } from './connect-tool.ts'
import type { ConnectTool, ConnectToolCall, ConnectToolOptions } from './types.ts'

/** The context of the tools. */
export interface User {
  readonly [name: string]: unknown
  readonly userId: string
}

export type Options = ConnectToolOptions<{ say: string }, unknown, User>

/** A tool for the context's user, of which a test changes what it is about. */
export function toolOf(client: Client, execute: Options['execute'], more: Partial<Options> = {}): Tool {
  return connectTool<{ say: string }, unknown, User>({
    client,
    connector: 'github/mybot',
    inputSchema: z.object({ say: z.string() }),
    params: ({ userId }) => ({ subject: { type: 'user', id: userId }, scopes: ['read'] }),
    execute,
    ...more,
  })
}

export type Tool = ConnectTool<{ say: string }, unknown, User>

/** Calls a tool as the framework would. */
export async function call(
  tool: Tool,
  userId = 'ann',
  more: { toolCallId?: string; abortSignal?: AbortSignal } = {},
): Promise<unknown> {
  const result = tool.execute(
    { say: 'hello' },
    { toolCallId: 'call-1', messages: [], context: { userId }, ...more },
  )
  return result as Promise<unknown>
}

/** The error that `work` ends with. */
export async function errorOf(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof Error) return error
  throw new Error('Nothing was thrown')
}

/** What a model would see of an output. */
export const modelView = (tool: Tool, output: unknown): unknown =>
  tool.toModelOutput?.({ toolCallId: 'call-1', input: { say: '' }, output })

/** What most tools of these tests do: they ask the API who they are. */
export async function readMe({ fetch }: ConnectToolCall<User>): Promise<unknown> {
  return (await fetch('https://api.example/me')).json()
}
