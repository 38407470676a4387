import type { Context } from '../client/context.ts'
import { ConnectError } from '../errors/connect-error.ts'
import type { Transport } from '../http/send.ts'
import { checkCredential } from '../identity/check-credential.ts'
import type { FoundIdentity } from '../identity/identity-source.ts'
import { obtainIdentity } from '../identity/obtain-identity.ts'
import type { Destination, IssuingPointCall } from '../issuing-point/issuing-point.ts'
import { inSpan } from '../telemetry/telemetry.ts'

/**
 * Obtains a credential, checks that it may go to the issuing point, and calls `send` with it.
 *
 * One that the issuing point calls expired is obtained again, once. Where that brings the same one, there is no other.
 */
export async function presentIdentity<Result>(
  context: Context,
  destination: Destination,
  who: FoundIdentity,
  transport: Transport,
  send: (call: IssuingPointCall) => Promise<Result>,
): Promise<Result> {
  const { source } = who
  const { now, read } = context
  const obtainChecked = async (): Promise<string> => {
    const credential = await obtainIdentity(who, { ...transport, destination, now, read })
    return checkCredential(credential, source.name, destination, now())
  }
  const attributes = { 'valetkey.identity.source': source.name }
  const obtain = (): Promise<string> => inSpan('valetkey.identity', attributes, obtainChecked)
  const call = (credential: string): Promise<Result> => {
    const { origin } = destination
    const address = origin === undefined ? {} : { 'server.address': new URL(origin).hostname }
    return inSpan('valetkey.call', address, (traceHeaders) =>
      send({ ...transport, credential, traceHeaders }),
    )
  }
  const credential = await obtain()
  try {
    return await call(credential)
  } catch (error) {
    if (!(error instanceof ConnectError) || error.code !== 'identity_expired') throw error
    const again = await obtain()
    if (again === credential) throw error
    return call(again)
  }
}
