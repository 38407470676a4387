import { misuse } from '../failure.ts'
import { version } from '../version.ts'
import type { Check } from './check.ts'
import { invalidAnswer, networkFailure, refusalOf } from './fault.ts'

/** Query and body of a call. A query value that is a list is repeated. */
export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>
  readonly body?: unknown
}

/** Calls the management API of one broker as one operator. */
export interface BrokerClient {
  readonly url: string
  /**
   * Returns the answer once it has the shape of `check`.
   *
   * @throws {Failure} with the wire's code when the broker refused, `unavailable`, `timeout` or `invalid_response`.
   */
  call<T>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    check: Check<T>,
    options?: CallOptions,
  ): Promise<T>
  /** Streams the answer of a GET, of any size. */
  stream(path: string): Promise<AsyncIterable<Uint8Array>>
}

/** What {@link createBrokerClient} needs. */
export interface BrokerClientConfig {
  readonly url: string
  readonly accessToken?: string
  readonly fetch: typeof fetch
  readonly timeoutMs?: number
}

const maximumAnswerBytes = 8 * 1_048_576

/** Creates a {@link BrokerClient}. The token goes to `url` only: redirects are refused. */
export function createBrokerClient(config: BrokerClientConfig): BrokerClient {
  const { url, timeoutMs = 30_000 } = config
  const send = (target: string, init: RequestInit, signal: AbortSignal): Promise<Response> =>
    config.fetch(target, { ...init, headers: headersFor(config.accessToken), redirect: 'manual', signal })

  return {
    url,
    async call(method, path, check, options = {}) {
      const signal = AbortSignal.timeout(timeoutMs)
      try {
        const init = options.body === undefined ? { method } : { method, body: JSON.stringify(options.body) }
        const response = await send(`${url}${path}${queryOf(options.query)}`, init, signal)
        const body = await readAnswer(response, url)
        if (!check(body)) throw invalidAnswer(url, 'its body is not what this command expects')
        return body
      } catch (error) {
        throw networkFailure(error, url)
      }
    },
    async stream(path) {
      const idle = new AbortController()
      const timer = setTimeout(() => idle.abort(new DOMException('idle', 'TimeoutError')), timeoutMs)
      try {
        const response = await send(`${url}${path}`, { method: 'GET' }, idle.signal)
        if (response.status !== 200) await readAnswer(response, url)
        if (response.body === null || response.status !== 200) throw invalidAnswer(url, 'it has no body')
        return chunksOf(response.body, url, timer)
      } catch (error) {
        clearTimeout(timer)
        throw networkFailure(error, url)
      }
    },
  }
}

/** A path whose parts are each one encoded segment. */
export function route(parts: TemplateStringsArray, ...segments: readonly string[]): string {
  return parts.reduce((path, part, index) => `${path}${segment(segments[index - 1] ?? '')}${part}`)
}

function segment(name: string): string {
  // A URL parser takes "." and ".." away even when they stand alone between slashes.
  if (name === '' || name === '.' || name === '..') throw misuse('A name must not be empty, "." or ".."')
  return encodeURIComponent(name)
}

function queryOf(query: CallOptions['query']): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue
    for (const item of Array.isArray(value) ? value : [value]) search.append(name, String(item))
  }
  return search.size === 0 ? '' : `?${search}`
}

function headersFor(token: string | undefined): Record<string, string> {
  return {
    accept: 'application/json',
    // Some brokers of this protocol want it even where there is no body.
    'content-type': 'application/json',
    'user-agent': `valetkey/${version}`,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
}

async function readAnswer(response: Response, url: string): Promise<unknown> {
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel()
    throw invalidAnswer(url, 'it is a redirect')
  }
  const text = await readText(response, url)
  const body = parseJson(text)
  if (!response.ok) throw refusalOf(response, body, url)
  if (body === undefined) throw invalidAnswer(url, 'it is not JSON')
  return body
}

async function readText(response: Response, url: string): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maximumAnswerBytes) throw invalidAnswer(url, 'it is larger than 8 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  url: string,
  timer: NodeJS.Timeout,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      // The limit is on silence and not on the whole: an export may take long.
      timer.refresh()
      yield chunk
    }
  } catch (error) {
    throw networkFailure(error, url)
  } finally {
    clearTimeout(timer)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
