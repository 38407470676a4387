import { isConnectError } from '@valetkey/sdk'
import { verifyWebhook } from '@valetkey/sdk/webhooks'

/** The route at `webhook`: 401 for what is not to be believed, 503 for what is to be delivered again. */
export async function consentChanged(incoming: Request): Promise<Response> {
  try {
    const { request, status } = await verifyWebhook(incoming, { project: 'shop', environment: 'production' })
    if (status === 'active') await resume(request)
    return new Response(null, { status: 204 })
  } catch (error) {
    if (isConnectError(error) && error.retryable) return new Response(null, { status: 503 })
    if (isConnectError(error) && error.code === 'identity_invalid') return new Response(null, { status: 401 })
    throw error
  }
}

declare function resume(request: string): Promise<void>
