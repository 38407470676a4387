import type { ErrorCode } from '@valetkey/protocol'

/** What `createClient({ onEvent })` is told. No event carries a token, an identity or a subject. */
export type ConnectEvent =
  | {
      /** A cached token was returned. */
      readonly type: 'cache_hit'
      readonly connector: string
      /** `expiring`: it arrived so and was asked for less than a second ago. */
      readonly state: 'fresh' | 'ageing' | 'expiring'
    }
  | {
      readonly type: 'exchange_started'
      readonly connector: string
      /** The name of the identity's source. */
      readonly identity: string
      /** True for a renewal that no caller waits for. */
      readonly background: boolean
    }
  | {
      readonly type: 'exchange_finished'
      readonly connector: string
      readonly identity: string
      readonly background: boolean
      readonly durationMs: number
      /** Absent when a token came back. */
      readonly code?: ErrorCode
    }
  | {
      /** Tokens left the cache on request, or because the issuing point refused what they were an answer to. */
      readonly type: 'cache_evicted'
      readonly connector: string
      readonly entries: number
    }

/** Who is told of every context's events besides its own hook: metrics, once telemetry was found to be on. */
export const observer: { tell: ((event: ConnectEvent) => void) | undefined } = { tell: undefined }

/** Tells the hook, if there is one. What it throws stays there: watching must not break a call. */
export function emit(
  context: { readonly onEvent: ((event: ConnectEvent) => void) | undefined },
  event: ConnectEvent,
): void {
  tell(observer.tell, event)
  tell(context.onEvent, event)
}

function tell(hook: ((event: ConnectEvent) => void) | undefined, event: ConnectEvent): void {
  try {
    const told: unknown = hook?.(event)
    // An async hook throws by its promise, which nobody else looks at: it would end the process.
    if (told instanceof Promise) told.catch(() => {})
  } catch {
    // See above.
  }
}
