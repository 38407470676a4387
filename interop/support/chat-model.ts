import { simulateReadableStream } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'

/** A use of a tool, as a model asks for it. */
export interface ToolUse {
  readonly tool: string
  readonly input?: object
  /** Default: made up. */
  readonly id?: string
}

/** What a model does in one step: it uses tools, or it says something. */
export type Turn = readonly ToolUse[] | string

let uses = 0

/** The framework's mock model, which does what `turnOf` says for its first step, its second, and so on. */
export function scriptedModel(turnOf: (step: number) => Turn): MockLanguageModelV4 {
  let step = 0
  return new MockLanguageModelV4({
    doGenerate: async () => {
      const turn = turnOf(step++)
      const content = typeof turn === 'string' ? [{ type: 'text' as const, text: turn }] : turn.map(asCall)
      return { content, finishReason: finishOf(turn), usage, warnings: [] }
    },
    doStream: async () => {
      const turn = turnOf(step++)
      const parts =
        typeof turn === 'string'
          ? [
              { type: 'text-start' as const, id: 't' },
              { type: 'text-delta' as const, id: 't', delta: turn },
              { type: 'text-end' as const, id: 't' },
            ]
          : turn.map(asCall)
      const finish = { type: 'finish' as const, finishReason: finishOf(turn), usage }
      return {
        stream: simulateReadableStream({
          chunks: [{ type: 'stream-start' as const, warnings: [] }, ...parts, finish],
          initialDelayInMs: null,
          chunkDelayInMs: null,
        }),
      }
    },
  })
}

/** One that uses `tools` in its first step and ends with its second. */
export function modelUsing(...tools: readonly ToolUse[]): MockLanguageModelV4 {
  return scriptedModel((step) => (step === 0 ? tools : 'Done.'))
}

/** All that a model was ever sent: prompts, and descriptions of tools. */
export function seenBy(model: MockLanguageModelV4): string {
  return JSON.stringify(
    [...model.doGenerateCalls, ...model.doStreamCalls].map(({ prompt, tools }) => [prompt, tools]),
  )
}

/** What a model was told that its uses of tools came to, in its last step. */
export function resultsSeenBy(model: MockLanguageModelV4): readonly unknown[] {
  const last = [...model.doGenerateCalls, ...model.doStreamCalls].at(-1)
  return (last?.prompt ?? []).flatMap((message) =>
    message.role === 'tool'
      ? message.content.flatMap((part) => (part.type === 'tool-result' ? [part.output] : []))
      : [],
  )
}

function asCall({ tool, input = {}, id }: ToolUse) {
  const toolCallId = id ?? `call-${++uses}`
  return { type: 'tool-call' as const, toolCallId, toolName: tool, input: JSON.stringify(input) }
}

function finishOf(turn: Turn) {
  const unified = typeof turn === 'string' ? ('stop' as const) : ('tool-calls' as const)
  return { unified, raw: undefined }
}

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
}
