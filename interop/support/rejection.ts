import { type ConnectError, isConnectError } from '@valetkey/sdk'

/** What a call of the SDK was refused with; throws when it was not refused, or with anything but a `ConnectError`. */
export async function refusalOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await rejectionOf(call)
  if (isConnectError(error)) return error
  throw error
}

/** What a promise was rejected with; throws when it was fulfilled. */
export async function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await call
  } catch (error) {
    return error
  }
  throw new Error(`Nothing was refused: ${typeof value}`)
}
