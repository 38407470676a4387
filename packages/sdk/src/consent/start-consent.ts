import type { AuthorizeRequest, InstallRequest } from '@valetkey/protocol'
import { callIssuingPoint } from '../calls/call-issuing-point.ts'
import type { Context } from '../client/context.ts'
import { invalidRequest } from '../errors/connect-error.ts'
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
    const answer = await ask(destination, connector, start, call, options.region)
    return checkStartAnswer(answer, isLoopbackOrigin(destination.origin), context.now())
  })
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
