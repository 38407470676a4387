import { getToken, isConnectError } from '@valetkey/sdk'

export async function tokenOrReason(
  connector: string,
): Promise<{ token: string } | { reason: string; again: boolean }> {
  try {
    return { token: await getToken(connector, { subject: { type: 'app' } }) }
  } catch (error) {
    if (!isConnectError(error)) throw error
    return { reason: error.code, again: error.retryable }
  }
}
