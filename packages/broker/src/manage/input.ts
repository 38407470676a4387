import { z } from 'zod'
import { describeIssue } from '../issue/describe-issue.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { decodeCursor, type Page } from '../store/page.ts'

/** Names of projects and connectors: what fits into a URL segment and a shell word. */
export const nameSchema: z.ZodString = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,62}$/i,
    'letters, digits, ".", "_" and "-", at most 63, beginning with a letter or digit',
  )

/** Names of environments. */
export const environmentSchema: z.ZodString = nameSchema

/** Parses the body of a management call; the refusal names the field that is wrong. */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
): Outcome<z.output<Schema>> {
  const parsed = schema.safeParse(body)
  return parsed.success
    ? accept(parsed.data)
    : refuse({ reason: 'request_invalid', message: describeIssue(parsed.error, 'the request') })
}

/** The page that `?limit&cursor` names. */
export function parsePage(query: Readonly<Record<string, string | undefined>>): Outcome<Page> {
  const limit = query.limit === undefined ? 50 : Number(query.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
    return refuse({ reason: 'request_invalid', message: 'limit: a whole number from 1 to 100' })
  }
  if (query.cursor === undefined) return accept({ limit, after: undefined })
  const after = decodeCursor(query.cursor)
  return after === undefined
    ? refuse({ reason: 'request_invalid', message: 'cursor: not one that a listing returned' })
    : accept({ limit, after })
}
