import { ConnectError, invalidResponse } from '../errors/connect-error.ts'
import { limitedText } from './limited-text.ts'

/** What one HTTP call needs from the call it serves. */
export interface Transport {
  readonly fetch: typeof globalThis.fetch
  readonly signal: AbortSignal
  /** Milliseconds until nobody waits any more. Grows when another caller joins. */
  readonly remainingMs: () => number
}

/** One HTTP request. Its target is fixed by configuration, never by an answer. */
export interface Outgoing {
  readonly url: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly credential?: string
  /** Besides the credential's: for platforms with a scheme of their own. */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly text: string
}

const firstPauseMs = 100
const maxAttempts = 5

/**
 * Sends a request, and again after faults that pass: no connection, 429, 502, 503, 504. Pauses double, are jittered,
 * and honour `Retry-After`; one that would outlast the callers is not begun. The last answer or error counts.
 *
 * @throws {ConnectError} `unavailable` when nothing answered; `invalid_response` for a redirect or a huge body.
 */
export async function send(transport: Transport, outgoing: Outgoing): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    let answer: Answer | undefined
    let failure: unknown
    try {
      answer = await sendOnce(transport, outgoing)
      if (!isPassing(answer.status)) return answer
    } catch (error) {
      if (transport.signal.aborted || !(error instanceof ConnectError) || error.code !== 'unavailable')
        throw error
      failure = error
    }
    const pauseMs = pauseBefore(
      attempt,
      answer?.headers.get('retry-after') ?? null,
      Date.now(),
      Math.random(),
    )
    if (attempt >= maxAttempts || pauseMs >= transport.remainingMs()) {
      if (answer !== undefined) return answer
      throw failure
    }
    await pause(pauseMs, transport.signal)
  }
}

/** Milliseconds to wait before the next attempt. `retryAfter` is seconds or an HTTP date (RFC 9110 section 10.2.3). */
export function pauseBefore(
  attempt: number,
  retryAfter: string | null,
  nowMs: number,
  random: number,
): number {
  // Between half and the whole of a doubling pause, so that clients that failed together do not return together.
  const backoffMs = firstPauseMs * 2 ** (attempt - 1) * (0.5 + random / 2)
  if (retryAfter === null) return backoffMs
  const text = retryAfter.trim()
  const askedMs = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs
  // Never earlier than asked; a little later, by up to a tenth of a second, for the same reason as above.
  return askedMs > 0 ? Math.max(askedMs + random * firstPauseMs, backoffMs) : backoffMs
}

function isPassing(status: number): boolean {
  return status === 429 || (status >= 502 && status <= 504)
}

/** As {@link send}, exactly once. */
export async function sendOnce(transport: Transport, outgoing: Outgoing): Promise<Answer> {
  const headers: Record<string, string> = { accept: 'application/json', ...outgoing.headers }
  if (outgoing.body !== undefined) headers['content-type'] = 'application/json'
  if (outgoing.credential !== undefined) headers.authorization = `Bearer ${outgoing.credential}`
  let response: Response
  try {
    response = await transport.fetch(outgoing.url, {
      method: outgoing.method,
      headers,
      // A followed redirect would carry the identity to an address nobody configured.
      redirect: 'manual',
      signal: transport.signal,
      ...(outgoing.body === undefined ? undefined : { body: JSON.stringify(outgoing.body) }),
    })
    if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
      response.body?.cancel().catch(() => {})
      throw invalidResponse(
        `${hostOf(outgoing.url)} answered with a redirect, which is not followed`,
        response.status,
      )
    }
    const text = await limitedText(response)
    return { status: response.status, statusText: response.statusText, headers: response.headers, text }
  } catch (error) {
    if (error instanceof ConnectError) throw error
    // The cause is left out on purpose: messages of fetch implementations quote headers and addresses.
    throw new ConnectError(`No answer from ${hostOf(outgoing.url)}${reasonOf(error)}`, {
      code: 'unavailable',
    })
  }
}

// Node puts the system's error code (ECONNREFUSED, ENOTFOUND, ...) on the cause: the one useful part.
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as { code?: unknown } | undefined) : undefined
  const code = cause?.code
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? ` (${code})` : ''
}

function hostOf(url: string): string {
  return new URL(url).host
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(new ConnectError('Nobody waits for the answer any more', { code: 'aborted' }))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}
