import type { JSONValue } from 'ai'
import type { ModelOutput } from './types.ts'

/** What a model is told of a missing consent. The address, the codes and the ids are for the user's page alone. */
export const consentSentence =
  'The user has not given access yet and is being asked to; call this tool again once they say that they have.'

/** What the framework makes of an output for which a tool has no `toModelOutput`. */
export function plainModelOutput(output: unknown): ModelOutput {
  if (typeof output === 'string') return { type: 'text', value: output }
  const text: string | undefined = JSON.stringify(output)
  return { type: 'json', value: text === undefined ? null : (JSON.parse(text) as JSONValue) }
}
