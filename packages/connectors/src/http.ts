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

/** What came back, read as far as it went: `fault` says what was wrong with it, if anything was. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly fault: ProviderFault | InvalidSettings | undefined
}

/** One HTTP call whose body is ready to be sent. */
export type RawCall = Omit<ProviderCall, 'body'> & { readonly body?: string }

/**
 * Calls a provider once and reads its answer as JSON, at most {@link maxAnswerBytes} of it.
 *
 * Redirects are never followed: they would carry the credential to a host nobody chose.
 *
 * @throws {ProviderFault} when it can't be reached, answers 3xx, 408, 429 or 5xx, or says too much. The message
 *   holds nothing of what the provider said, and there is no `cause`.
 */
export async function callProvider(access: ProviderAccess, call: ProviderCall): Promise<ProviderAnswer> {
  const { body, headers, ...rest } = call
  const answer = await callRaw(access, {
    ...rest,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (answer.fault !== undefined) throw answer.fault
  return { status: answer.status, headers: answer.headers, body: parseJson(answer.text) }
}

/**
 * {@link callProvider} for a caller that must see a faulty answer too, as far as it came: an answer that breaks off
 * may hold the only copy of a rotated refresh token. A 3xx, 408, 429 or 5xx is not read.
 *
 * @throws {ProviderFault} when there is no answer at all.
 */
export async function callRaw(access: ProviderAccess, call: RawCall): Promise<RawAnswer> {
  const response = await send(access, call)
  const { status, headers } = response
  const answer = (text: string, fault?: RawAnswer['fault']) => ({ status, headers, text, fault })
  if (response.type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    await discard(response)
    const message = `${call.provider} answered with a redirect, which is not followed`
    return answer('', new ProviderFault(message, { status }))
  }
  if (status >= 500 || status === 408 || status === 429) {
    await discard(response)
    return answer('', new ProviderFault(`${call.provider} answered with status ${status}`, { status }))
  }
  const { text, fault } = await readLimited(response, call.provider)
  return answer(text, fault)
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

async function send(access: ProviderAccess, call: RawCall): Promise<Response> {
  const { provider, url, ...init } = call
  try {
    return await access.fetch(url, { ...init, redirect: 'manual', signal: access.signal })
  } catch (error) {
    throw asFault(error, provider)
  }
}

/** `fetch` may already speak in the driver's terms, when the egress rules refuse a host: that reason is kept. */
function asFault(error: unknown, provider: string): ProviderFault | InvalidSettings {
  if (error instanceof ProviderFault || error instanceof InvalidSettings) return error
  return new ProviderFault(`${provider} could not be reached, or did not answer in time`)
}

async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined)
}

async function readLimited(
  response: Response,
  provider: string,
): Promise<{ readonly text: string; readonly fault?: ProviderFault | InvalidSettings }> {
  if (response.body === null) return { text: '' }
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return { text: text + decoder.decode() }
      bytes += value.byteLength
      if (bytes > maxAnswerBytes) break
      text += decoder.decode(value, { stream: true })
    }
  } catch (error) {
    return { text, fault: asFault(error, provider) }
  }
  await reader.cancel().catch(() => undefined)
  const message = `${provider} answered with more than ${maxAnswerBytes} bytes`
  return { text, fault: new ProviderFault(message, { status: response.status }) }
}

/** The JSON in a text; `undefined` when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
