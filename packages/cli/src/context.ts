import { type BrokerClient, createBrokerClient } from './broker-client/client.ts'
import { findPlace, type LocatedBroker, locateBroker } from './broker-client/locate.ts'
import { misuse } from './failure.ts'
import type { Output } from './output/output.ts'
import type { Shell } from './shell.ts'

/** What every command gets. */
export interface Context {
  readonly shell: Shell
  readonly output: Output
  /** `--yes`: do it without being asked. */
  readonly yes: boolean
}

/** A command's work. A number is its exit status; nothing is 0. */
export type Handler<Arguments extends readonly unknown[]> = (
  context: Context,
  ...given: Arguments
) => Promise<number> | Promise<void>

/** Turns a {@link Handler} into what commander calls. */
export type Act = <Arguments extends readonly unknown[]>(
  handler: Handler<Arguments>,
) => (...given: Arguments) => Promise<void>

/** The broker that commands speak to, as an operator. */
export async function connectToBroker(
  context: Context,
): Promise<{ readonly client: BrokerClient; readonly broker: LocatedBroker }> {
  const broker = await locateBroker(context.shell)
  const client = createBrokerClient({
    url: broker.url,
    accessToken: broker.accessToken,
    fetch: context.shell.fetch,
  })
  return { client, broker }
}

/**
 * The project a command means: the flag, else the one of `valetkey link`.
 *
 * @throws {Failure} exit 2 when neither names one.
 */
export async function projectFor(context: Context, flag: string | undefined): Promise<string> {
  if (flag !== undefined) return flag
  const place = await findPlace(context.shell)
  if (place?.project !== undefined) return place.project
  throw misuse('--project is missing', 'Name it, or set it once with `valetkey link --url URL --project P`.')
}
