import type { Subject } from '@valetkey/protocol'
import type { ParsedBody } from './parse-body.ts'

/** One text for all token requests that mean the same: the order of lists and members, and `['*']`, do not matter. */
export function requestKey(connector: string, body: ParsedBody): string {
  const sorted = (values: readonly unknown[] | undefined) =>
    values === undefined ? undefined : [...new Set(values.map(canonical))].sort()
  const scopes = body.scopes?.length === 1 && body.scopes[0] === '*' ? undefined : body.scopes
  return canonical([
    ...[connector, body.subject, body.installationId],
    ...[body.audience, scopes, body.resources, body.authorizationDetails].map(sorted),
  ])
}

export function subjectKey(subject: Subject): string {
  return canonical(subject)
}

/** JSON with the members of every object in one order. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_name, member: unknown) =>
      typeof member === 'object' && member !== null && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
        : member,
    ) ?? 'null'
  )
}
