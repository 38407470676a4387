import type { JSONWebKeySet } from 'jose'
import * as z from 'zod'
import type { ExportedEvent } from './chain.ts'

/** Thrown for a file that is no export, or one that was damaged; names the line, quotes nothing. */
export class ExportMalformed extends Error {
  override readonly name = 'ExportMalformed'

  constructor(line: number, what: string) {
    super(`The export is damaged: line ${line} ${what}`)
  }
}

/** An export being read. */
export interface ParsedExport {
  readonly publicUrl: string
  /** When it was made, milliseconds since the epoch. */
  readonly at: number
  /**
   * The keys the export carries. Whoever can write the file can write these: they show that the file is whole,
   * not who made it. Prove a tail with keys that came another way.
   */
  readonly keys: JSONWebKeySet
  /** The JWS that says which events retention has dropped; absent when it dropped none. */
  readonly anchor: string | undefined
  /** The events, once, in file order; throws {@link ExportMalformed}. */
  readonly events: AsyncIterable<ExportedEvent>
  /** The JWS of the last line, once `events` was read to its end; empty when the file was cut before it. */
  readonly checkpoints: () => readonly string[]
}

const headerSchema = z.object({
  type: z.literal('header'),
  v: z.literal(1),
  publicUrl: z.string(),
  at: z.number(),
  keys: z.object({ keys: z.array(z.looseObject({ kty: z.string() })) }),
  anchor: z.string().optional(),
})

const text = z.string().nullable()

const eventSchema = z.object({
  type: z.literal('event'),
  position: z.number(),
  chain: z.string(),
  seq: z.number(),
  at: z.number(),
  kind: z.string(),
  code: text,
  requestId: text,
  projectId: text,
  environment: text,
  connectorId: text,
  body: z.string(),
  previousHash: z.string(),
  hash: z.string(),
})

const lineSchema = z.discriminatedUnion('type', [
  eventSchema,
  z.object({ type: z.literal('checkpoint'), jws: z.string() }),
])

function parseLine<Value>(schema: z.ZodType<Value>, line: string, number: number): Value {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new ExportMalformed(number, 'is not JSON')
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new ExportMalformed(number, 'is not what an export has there')
  return parsed.data
}

/**
 * Reads an export as a stream of lines (`readline` gives one), holding one line at a time.
 *
 * @throws {ExportMalformed} when the first line is no header.
 */
export async function parseExport(lines: AsyncIterable<string>): Promise<ParsedExport> {
  const iterator = lines[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done === true) throw new ExportMalformed(1, 'is missing')
  const header = parseLine(headerSchema, first.value, 1)
  const checkpoints: string[] = []

  async function* events(): AsyncGenerator<ExportedEvent, void, undefined> {
    let number = 1
    for (;;) {
      const next = await iterator.next()
      if (next.done === true) return
      number += 1
      if (next.value.trim() === '') continue
      // Lines after the checkpoint would be covered by nothing.
      if (checkpoints.length > 0) throw new ExportMalformed(number, 'comes after the end')
      const line = parseLine(lineSchema, next.value, number)
      if (line.type === 'checkpoint') {
        checkpoints.push(line.jws)
        continue
      }
      const { type: _, ...event } = line
      yield event
    }
  }

  return {
    publicUrl: header.publicUrl,
    at: header.at,
    keys: header.keys,
    anchor: header.anchor,
    events: events(),
    checkpoints: () => checkpoints,
  }
}
