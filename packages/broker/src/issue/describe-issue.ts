import type { z } from 'zod'

/** The first thing that is wrong, in one sentence that names the field and never quotes its value. */
export function describeIssue(error: z.ZodError, whole: string): string {
  const issue = error.issues[0]
  if (issue === undefined) return `${whole} is not well formed`
  const place = issue.path.length === 0 ? whole : issue.path.map(String).join('.')
  switch (issue.code) {
    case 'unrecognized_keys':
      return `${place}: unknown field ${issue.keys.map((key) => `"${key.slice(0, 64)}"`).join(', ')}`
    case 'invalid_type':
      return `${place}: expected ${issue.expected}`
    case 'too_small':
      return `${place}: must not be ${issue.origin === 'array' ? 'an empty list' : issue.origin === 'string' ? 'empty' : `less than ${String(issue.minimum)}`}`
    case 'too_big':
      return `${place}: too ${issue.origin === 'number' ? 'large' : 'long'} (at most ${String(issue.maximum)})`
    case 'invalid_union':
      return `${place}: none of the forms it may take`
    case 'invalid_value':
      return `${place}: expected one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'custom':
      return `${place}: ${issue.message}`
    default:
      return `${place}: not well formed`
  }
}
