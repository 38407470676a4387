import type { AuthorizeResponse, ConsentStatus, ConsentStatusResponse } from '@valetkey/protocol'

/** A broker's answer to `authorize` and `install`. */
export function startAnswer(more: Partial<AuthorizeResponse> = {}): AuthorizeResponse {
  return {
    url: 'https://broker.example/connect/crq_1?hint=a%20b',
    request: 'crq_1',
    verifier: 'secret-verifier',
    expiresAt: Date.now() + 600_000,
    connector: { id: 'scl_1', uid: 'linear/mybot', type: 'linear', name: 'My bot' },
    ...more,
  }
}

/** A broker's answer to `status`. */
export function statusAnswer(
  status: ConsentStatus,
  error?: ConsentStatusResponse['error'],
): ConsentStatusResponse {
  return { request: 'crq_1', status, ...(error === undefined ? undefined : { error }) }
}

/** A refusal as brokers send it. */
export function refusal(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message, requestId: 'req_1' } }, { status })
}
