import type { createClient } from '@valetkey/sdk'
import {
  generateText,
  type InferToolInput,
  type InferToolOutput,
  streamText,
  type Tool,
  type ToolSet,
} from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { expectTypeOf } from 'vitest'
import { z } from 'zod'
import { type ConnectToolClient, type ConsentRequired, connectTool } from './index.ts'

const model = new MockLanguageModelV4()

const withContext = connectTool({
  connector: 'github/mybot',
  description: 'Lists the open issues of a repository',
  inputSchema: z.object({ repository: z.string() }),
  contextSchema: z.object({ userId: z.string() }),
  params: (context) => {
    expectTypeOf(context).toEqualTypeOf<{ userId: string }>()
    return { subject: { type: 'user', id: context.userId } }
  },
  async execute(input, { fetch, getToken, getTokenResponse, context, toolCallId, abortSignal, messages }) {
    expectTypeOf(input).toEqualTypeOf<{ repository: string }>()
    expectTypeOf(context).toEqualTypeOf<{ userId: string }>()
    expectTypeOf(fetch).toEqualTypeOf<typeof globalThis.fetch>()
    expectTypeOf(toolCallId).toEqualTypeOf<string>()
    expectTypeOf(abortSignal).toEqualTypeOf<AbortSignal | undefined>()
    expectTypeOf(await getToken({ forceRefresh: true })).toEqualTypeOf<string>()
    expectTypeOf((await getTokenResponse()).expiresAt).toEqualTypeOf<number>()
    return { titles: messages.map(String) }
  },
  toModelOutput({ input, output }) {
    expectTypeOf(input).toEqualTypeOf<{ repository: string }>()
    expectTypeOf(output).toEqualTypeOf<{ titles: string[] }>()
    return { type: 'text', value: output.titles.join() }
  },
  onConsentRequired(challenge, context) {
    expectTypeOf(challenge.verifier).toEqualTypeOf<string>()
    expectTypeOf(context).toEqualTypeOf<{ userId: string }>()
  },
  needsApproval: (input, { context }) => input.repository === context.userId,
})

const plain = connectTool({
  connector: 'slack/mybot',
  inputSchema: z.object({}),
  params: { subject: { type: 'app' } },
  execute: async (_input, { fetch }) => (await fetch('https://slack.example')).status,
})

const streaming = connectTool({
  connector: 'slack/mybot',
  inputSchema: z.object({}),
  params: { subject: { type: 'app' } },
  async *execute() {
    yield 'half'
    yield 'whole'
  },
})

expectTypeOf<InferToolInput<typeof withContext>>().toEqualTypeOf<{ repository: string }>()
expectTypeOf<InferToolOutput<typeof withContext>>().toEqualTypeOf<{ titles: string[] } | ConsentRequired>()
expectTypeOf<InferToolOutput<typeof plain>>().toEqualTypeOf<number | ConsentRequired>()
expectTypeOf<InferToolOutput<typeof streaming>>().toEqualTypeOf<'half' | 'whole' | ConsentRequired>()
expectTypeOf(withContext).toExtend<Tool>()
expectTypeOf({ withContext, plain, streaming }).toExtend<ToolSet>()
expectTypeOf<ReturnType<typeof createClient>>().toExtend<ConnectToolClient>()

/** Never run: what matters is that it compiles without a cast. */
export async function use(): Promise<void> {
  const result = await generateText({
    model,
    prompt: 'List the issues',
    tools: { withContext, plain, streaming },
    toolsContext: { withContext: { userId: 'u1' } },
    toolApproval: { withContext: ({ repository }) => (repository === '' ? 'denied' : undefined) },
  })
  for (const called of result.staticToolResults)
    if (called.toolName === 'plain') expectTypeOf(called.output).toEqualTypeOf<number | ConsentRequired>()
  streamText({ model, prompt: 'Go', tools: { plain } })
  // @ts-expect-error The context of the tool is asked for.
  streamText({ model, prompt: 'Go', tools: { withContext } })
}

connectTool({
  connector: 'slack/mybot',
  inputSchema: z.object({ userId: z.string() }),
  // @ts-expect-error The model's arguments are no context.
  params: (_context, input: { userId: string }) => ({ subject: { type: 'user', id: input.userId } }),
  execute: () => 'done',
})
