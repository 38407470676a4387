import type { ErrorCode } from '@valetkey/protocol'

/** Whether the same call may succeed later without anyone changing anything. */
export function isRetryable(code: ErrorCode): boolean {
  return code === 'rate_limited' || code === 'provider_error' || code === 'unavailable' || code === 'timeout'
}
