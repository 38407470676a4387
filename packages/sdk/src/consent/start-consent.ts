import type { AuthorizeRequest, InstallRequest } from '@valetkey/protocol'
import { callIssuingPoint } from '../calls/call-issuing-point.ts'
import type { Context } from '../client/context.ts'
import { invalidRequest } from '../errors/connect-error.ts'
import { asRecord } from '../http/parse-json.ts'
import { askOverHttp } from '../issuing-point/ask-over-http.ts'
import type { Destination, IssuingPointCall } from '../issuing-point/issuing-point.ts'
import type { CheckedOptions } from '../request/call-options.ts'
import { checkStartAnswer } from './check-start-answer.ts'
import { isLoopbackOrigin } from './check-urls.ts'
import type { StartedAuthorization } from './types.ts'

/** What is started, by route: a body each. */
export type Start =
  | { readonly route: 'authorize'; readonly body: AuthorizeRequest }
  | { readonly route: 'install'; readonly body: InstallRequest }

/**
 * Asks for a consent request to be made and checks the answer. Sent again after faults that pass: one that nobody
 * follows up expires, and does nothing until then.
 */
export function startConsent(
  context: Context,
  connector: string,
  options: CheckedOptions,
  start: Start,
): Promise<StartedAuthorization> {
  return callIssuingPoint(context, connector, options, async (destination, call) => {
    const answered = await ask(destination, connector, start, call, options.region)
    const answer = destination.isVercelConnect
      ? completed(answered, connector, start, context.now())
      : answered
    return checkStartAnswer(answer, isLoopbackOrigin(destination.origin), context.now())
  })
}

// Its published types call these two optional. What a browser is sent to, and what proves who began, must be there.
function completed(answer: unknown, connector: string, { body }: Start, nowMs: number): unknown {
  return {
    expiresAt: nowMs + (body.expiresInMs ?? 600_000),
    connector: { id: connector, uid: connector, type: 'unknown', name: connector },
    ...asRecord(answer),
  }
}

async function ask(
  { reach, isVercelConnect }: Destination,
  connector: string,
  start: Start,
  call: IssuingPointCall,
  region: string | undefined,
): Promise<unknown> {
  if (typeof reach === 'function') {
    const body = isVercelConnect ? bodyForVercelConnect(start) : start.body
    return askOverHttp(reach(region), 'POST', [start.route, ''], connector, body, call)
  }
  if (start.route === 'authorize' && reach.startAuthorization !== undefined)
    return reach.startAuthorization(connector, start.body, call)
  if (start.route === 'install' && reach.startInstallation !== undefined)
    return reach.startInstallation(connector, start.body, call)
  throw invalidRequest('This issuing point cannot start a consent', connector)
}

// It has no `binding`, and wants "everything by default" of an authorization spelled out.
function bodyForVercelConnect({ route, body }: Start): object {
  const { binding: _, ...known } = body
  return route === 'authorize' ? { scopes: ['*'], ...known } : known
}
