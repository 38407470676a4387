import type { LanguageModel } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'

/** A use of a tool, as the model asks for it. */
export interface ToolUse {
  readonly tool: string
  readonly input: object
}

/** A model that needs no network: it takes the given turns, and keeps what it was told. */
export interface ScriptedModel {
  readonly model: LanguageModel
  /** The results of its tools, as it saw them. */
  readonly told: () => readonly unknown[]
  /** All that it was sent, as text. */
  readonly sent: () => string
}

/** Makes one. Its last turn is what it says. In an app of yours this is the model of your provider. */
export function scriptedModel(turns: readonly (readonly ToolUse[] | string)[]): ScriptedModel {
  let turn = 0
  const model = new MockLanguageModelV4({
    doGenerate: async () => {
      const current = turns[turn++] ?? ''
      return {
        content:
          typeof current === 'string'
            ? [{ type: 'text', text: current }]
            : current.map(({ tool, input }, index) => ({
                type: 'tool-call' as const,
                toolCallId: `call-${turn}-${index + 1}`,
                toolName: tool,
                input: JSON.stringify(input),
              })),
        finishReason: { unified: typeof current === 'string' ? 'stop' : 'tool-calls', raw: undefined },
        usage: {
          inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
          outputTokens: { total: 1, text: 1, reasoning: undefined },
        },
        warnings: [],
      }
    },
  })
  return {
    model,
    told: () =>
      (model.doGenerateCalls.at(-1)?.prompt ?? []).flatMap((message) =>
        message.role === 'tool'
          ? message.content.flatMap((part) => (part.type === 'tool-result' ? [part.output] : []))
          : [],
      ),
    sent: () => JSON.stringify(model.doGenerateCalls.map(({ prompt, tools }) => [prompt, tools])),
  }
}
