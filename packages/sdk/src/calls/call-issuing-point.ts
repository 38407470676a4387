import type { Context } from '../client/context.ts'
import { asConnectError } from '../errors/connect-error.ts'
import { askIdentityFunction } from '../exchange/ask-identity-function.ts'
import { aborted, type Wait, waitFor } from '../exchange/flight.ts'
import { presentIdentity } from '../exchange/present-identity.ts'
import { whoAsks } from '../exchange/who-asks.ts'
import type { Transport } from '../http/send.ts'
import { givenIdentity } from '../identity/given-identity.ts'
import type { FoundIdentity } from '../identity/identity-source.ts'
import type { Destination, IssuingPointCall } from '../issuing-point/issuing-point.ts'
import type { CheckedOptions } from '../request/call-options.ts'

/** One call that is neither cached nor shared. `send` is called again if a minted identity turns out to have expired. */
export async function callIssuingPoint<Result>(
  context: Context,
  connector: string | undefined,
  call: CheckedOptions,
  send: (destination: Destination, call: IssuingPointCall, who: FoundIdentity) => Promise<Result>,
): Promise<Result> {
  if (call.signal?.aborted) throw aborted(connector)
  const limitMs = call.timeoutMs ?? context.timeoutMs
  const startedAtMs = performance.now()
  const leftMs = (): number => Math.max(1, limitMs - (performance.now() - startedAtMs))
  const wait = (): Wait => ({ timeoutMs: leftMs(), limitMs, signal: call.signal, connector })
  const destination = context.destination()
  const asks = whoAsks(context, destination, call)
  const who =
    typeof asks === 'function'
      ? givenIdentity(await askIdentityFunction(asks, destination.audience, wait()))
      : await asks
  const controller = new AbortController()
  const transport: Transport = { fetch: context.fetch, signal: controller.signal, remainingMs: leftMs }
  const result = presentIdentity(context, destination, who, transport, (issuingPointCall) =>
    send(destination, issuingPointCall, who),
  )
  try {
    return await waitFor(result, wait(), () => controller.abort())
  } catch (error) {
    throw asConnectError(error, connector)
  }
}
