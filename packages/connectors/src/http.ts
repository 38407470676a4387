import type { z } from 'zod'
import { InvalidSettings, type ProviderAccess, ProviderFault } from './driver.ts'

/** The most a provider may answer: far above any real answer, far below what hurts. */
export const maxAnswerBytes: number = 1024 * 1024

/** One HTTP call to a provider. */
export interface ProviderCall {
  /** For messages: `GitHub`, `Slack`. */
  readonly provider: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
}

/** A provider's answer that is not a fault: 2xx or a 4xx other than 408 and 429. */
export interface ProviderAnswer {
  readonly status: number
  readonly headers: Headers
  /** The parsed JSON; `undefined` when the body is empty or not JSON. Unknown until parsed with {@link readAnswer}. */
  readonly body: unknown
}

/**
 * Calls a provider once and reads its answer as JSON, at most {@link maxAnswerBytes} of it.
 *
 * Redirects are never followed: they would carry the credential to a host nobody chose.
 *
 * @throws {ProviderFault} when it can't be reached, answers 3xx, 408, 429 or 5xx, or says too much. The message
 *   holds nothing of what the provider said, and there is no `cause`.
 */
export async function callProvider(access: ProviderAccess, call: ProviderCall): Promise<ProviderAnswer> {
  const response = await send(access, call)
  const { status, headers } = response
  if (response.type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    await discard(response)
    throw new ProviderFault(`${call.provider} answered with a redirect, which is not followed`, { status })
  }
  if (status >= 500 || status === 408 || status === 429) {
    await discard(response)
    throw new ProviderFault(`${call.provider} answered with status ${status}`, { status })
  }
  return { status, headers, body: parseJson(await readLimited(response, call.provider)) }
}

/** The body of an answer in the shape expected of it. @throws {ProviderFault} when it has another one. */
export function readAnswer<Shape extends z.ZodType>(
  provider: string,
  answer: ProviderAnswer,
  shape: Shape,
): z.output<Shape> {
  const result = shape.safeParse(answer.body)
  // The issues are left out on purpose: they may quote the answer, which may hold a token.
  if (!result.success) throw unexpectedAnswer(provider, answer.status)
  return result.data
}

/** The fault of a provider that answers in a shape or with a status it has no business using. */
export function unexpectedAnswer(provider: string, status: number): ProviderFault {
  return new ProviderFault(`${provider} answered in a form that was not expected (status ${status})`, {
    status,
  })
}

async function send(access: ProviderAccess, call: ProviderCall): Promise<Response> {
  const body = call.body === undefined ? undefined : JSON.stringify(call.body)
  const headers = new Headers(call.headers)
  if (body !== undefined) headers.set('content-type', 'application/json')
  try {
    return await access.fetch(call.url, {
      method: call.method,
      headers,
      redirect: 'manual',
      signal: access.signal,
      ...(body === undefined ? {} : { body }),
    })
  } catch (error) {
    throw asFault(error, call.provider)
  }
}

/** `fetch` may already speak in the driver's terms, when the egress rules refuse a host: that reason is kept. */
function asFault(error: unknown, provider: string): Error {
  if (error instanceof ProviderFault || error instanceof InvalidSettings) return error
  return new ProviderFault(`${provider} could not be reached, or did not answer in time`)
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined)
}

async function readLimited(response: Response, provider: string): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return text + decoder.decode()
      bytes += value.byteLength
      if (bytes > maxAnswerBytes) break
      text += decoder.decode(value, { stream: true })
    }
  } catch (error) {
    throw asFault(error, provider)
  }
  await reader.cancel().catch(() => undefined)
  throw new ProviderFault(`${provider} answered with more than ${maxAnswerBytes} bytes`, {
    status: response.status,
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
