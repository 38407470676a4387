import { ConnectError, type IssuingPoint, UserAuthorizationRequiredError } from '@valetkey/sdk'

/** What somebody writes who has a token service of their own: one method, no retries, errors in the SDK's words. */
export function createCustomPoint(url: string): IssuingPoint {
  return {
    id: 'our-own-tokens',
    audience: url,
    origin: url,
    async issueToken(connector, request, { credential, fetch, signal }) {
      const answer = await fetch(`${url}/v1/connect/token/${encodeURIComponent(connector)}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        body: JSON.stringify(request),
        redirect: 'manual',
        signal,
      })
      if (answer.status === 403) throw new ConnectError('Not for this workload', { code: 'forbidden' })
      if (answer.status === 422) {
        const { validityBufferMs: _, rejectedTokenId: __, context: ___, ...params } = request
        throw new UserAuthorizationRequiredError('Ask the user', { params })
      }
      if (answer.status === 429) throw new ConnectError('Too many requests', { code: 'rate_limited' })
      if (answer.status >= 500) throw new ConnectError('Out of order', { code: 'unavailable' })
      return answer.json().catch(() => undefined)
    },
  }
}
