import type { ConnectorDescription, RevokeTokensResponse } from '@valetkey/protocol'
import { connectorOf } from './connectors.ts'
import type { Consents } from './consents.ts'
import type { Grants } from './grants.ts'
import type { ParsedBody } from './parse-body.ts'
import type { Tokens } from './tokens.ts'
import type { MockCall, MockConsent, MockRequest } from './types.ts'
import { notLinked, type Outcome, refuse } from './wire.ts'

/** What a mock knows. */
export interface World {
  readonly exists: (connector: string) => boolean
  readonly consentOf: (connector: string) => MockConsent
  readonly tokens: Tokens
  readonly grants: Grants
  readonly consents: Consents
  readonly startedAtMs: number
}

/** A call whose caller is known. */
export interface Call {
  readonly call: MockCall
  /** UID, or the name of a consent request. */
  readonly name: string
  readonly body: Outcome<ParsedBody>
  readonly request: MockRequest
}

/** What a broker would answer. It checks in the broker's order, because a caller sees only the first of two mistakes. */
export async function answerCall(world: World, { call, name, body, request }: Call): Promise<Outcome> {
  if ('refusal' in body) return body
  const { body: parsed } = body
  if (call === 'status' || call === 'complete') {
    if (call === 'status') return world.consents.status(name, parsed)
    if (parsed.subject !== undefined && parsed.subject.type !== 'user')
      return refuse('invalid_request', 'subject.type: expected one of "user"')
    return world.consents.complete(name, parsed)
  }
  if (call === 'authorize' && parsed.subject?.type !== 'user')
    return refuse('invalid_request', 'subject.type: only a "user" authorizes; an app is installed')
  if (!world.exists(name)) return refuse('forbidden', notLinked)
  switch (call) {
    case 'token':
      return answerToken(world, name, parsed, request)
    case 'authorize':
    case 'install':
      return begin(world, call, name, parsed)
    case 'revoke':
      return revoke(world, name, parsed)
    case 'describe': {
      const { startedAtMs } = world
      const description: ConnectorDescription = {
        ...connectorOf(name),
        ...{ createdAt: startedAtMs, updatedAt: startedAtMs },
      }
      return { body: description }
    }
  }
}

async function answerToken(
  { grants, tokens }: World,
  connector: string,
  body: ParsedBody,
  request: MockRequest,
): Promise<Outcome> {
  const { subject, scopes } = body
  if (scopes !== undefined && scopes.length > 1 && scopes.includes('*'))
    return refuse('invalid_request', 'scopes: "*" stands alone or not at all')
  if (subject?.type === 'user' && !grants.has(connector, subject)) {
    const message =
      'This user has not consented, or not for this project and environment: startAuthorization asks for consent'
    return refuse('user_authorization_required', message)
  }
  return { body: await tokens.issue(connector, body, request) }
}

function begin(
  { consents, consentOf }: World,
  kind: 'authorize' | 'install',
  connector: string,
  body: ParsedBody,
): Outcome {
  if (body.binding === undefined) {
    const message =
      'binding: must be "complete", because consent alone activates nothing here: whoever began completes the request'
    return refuse('invalid_request', message)
  }
  const denied = kind === 'authorize' && consentOf(connector) === 'denied'
  return { body: consents.begin({ kind, connector, body, denied }) }
}

function revoke(
  { tokens, grants }: World,
  connector: string,
  body: ParsedBody,
): Outcome<RevokeTokensResponse> {
  const { subject, installationId } = body
  if (subject === undefined)
    return refuse('forbidden', 'This needs the access token of an operator, not the identity of a workload')
  const grantFound = subject.type === 'user' && grants.has(connector, subject) ? 1 : 0
  if (subject.type === 'user') grants.end(connector, subject)
  const found = tokens.end({ connector, subject, installationId }) + grantFound
  return {
    body: {
      tokensFound: found,
      deleted: found,
      providerRevoked: found,
      providerSkipped: 0,
      providerFailed: 0,
    },
  }
}
