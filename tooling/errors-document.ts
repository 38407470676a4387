import { type ErrorCodeDescription, errorCodes } from '@valetkey/protocol'

/** `docs/errors.md`: for each code, what happened and what to do. */
export function errorsDocument(): string {
  const entries = Object.entries<ErrorCodeDescription>(errorCodes)
  const section = (title: string, side: ErrorCodeDescription['side']) => [
    `## ${title}`,
    '',
    ...entries
      .filter(([, description]) => description.side === side)
      .flatMap(([code, { status, retryable, happened, remedy }]) => [
        `### \`${code}\``,
        '',
        `${status === undefined ? '' : `HTTP ${status}. `}${retryable ? 'Retryable.' : 'Not retryable.'}`,
        '',
        `**What happened.** ${happened}`,
        '',
        `**What to do.** ${remedy}`,
        '',
      ]),
  ]
  return [
    '<!-- Generated from packages/protocol/src/errors.ts by `npm run generate`. -->',
    '# Errors',
    '',
    'Every refusal carries one of these codes, in `{ "error": { "code", "message", "requestId" } }` on the wire and as',
    '`error.code` of a `ConnectError` in the SDK. Codes are contract; messages are for people and may change.',
    'Quote the `requestId` when you ask an operator: it is in the log and the audit trail of the issuing point.',
    '',
    ...section('From the issuing point', 'issuing-point'),
    ...section('From the SDK', 'sdk'),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n')
}
