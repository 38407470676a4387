import { defineAgent } from 'eve'
import { mockModel } from 'eve/evals'

/** A model that needs no provider: it reads the notes once for every message, and says what came back. */
export default defineAgent({
  model: mockModel(({ messages }) => {
    const last = messages.at(-1)
    if (last?.role === 'tool') return `Came back: ${last.text}`
    return { toolCalls: [{ name: 'eve__tool', input: { name: 'notes__read' } }] }
  }),
})
