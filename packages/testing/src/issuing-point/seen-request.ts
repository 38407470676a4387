import type { FoundCall } from './find-call.ts'
import type { ParsedBody } from './parse-body.ts'
import type { MockRequest } from './types.ts'
import type { Outcome } from './wire.ts'

/** What is kept of a request. No verifier and no code: tests print what they keep. */
export function seenRequest(
  { call, name }: FoundCall,
  connector: string | undefined,
  identity: Outcome<{ readonly claims?: Readonly<Record<string, unknown>> }>,
  outcome: Outcome<ParsedBody>,
): MockRequest {
  const body: ParsedBody = 'body' in outcome ? outcome.body : {}
  const claims = 'body' in identity ? identity.body.claims : undefined
  return {
    call,
    ...(connector === undefined ? undefined : { connector }),
    ...(call === 'status' || call === 'complete' ? { request: name } : undefined),
    ...pick(body, [
      ...(['subject', 'installationId', 'audience', 'scopes', 'resources'] as const),
      ...(['authorizationDetails', 'rejectedTokenId'] as const),
    ]),
    ...(body.context?.toolCallId === undefined ? undefined : { toolCallId: body.context.toolCallId }),
    ...(claims === undefined ? undefined : { identity: claims }),
  }
}

function pick<Name extends keyof ParsedBody>(
  body: ParsedBody,
  names: readonly Name[],
): Pick<ParsedBody, Name> {
  const given = names.filter((name) => body[name] !== undefined)
  return Object.fromEntries(given.map((name) => [name, body[name]])) as Pick<ParsedBody, Name>
}
