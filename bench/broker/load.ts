import { Agent, request } from 'node:http'

/** What a burst of requests came to. */
export interface LoadResult {
  readonly perSecond: number
  /** Milliseconds. */
  readonly medianMs: number
}

/** Sends the same POST `count` times over `connections` kept-alive connections, each sending the next when answered. */
export async function load(options: {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly count: number
  readonly connections: number
}): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections })
  const times: number[] = []
  let left = options.count
  const worker = async () => {
    while (left-- > 0) {
      const started = performance.now()
      await post(agent, options.url, options.headers, options.body)
      times.push(performance.now() - started)
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: options.connections }, worker))
  const seconds = (performance.now() - started) / 1000
  agent.destroy()
  times.sort((a, b) => a - b)
  return { perSecond: options.count / seconds, medianMs: times[Math.floor(times.length / 2)] ?? Number.NaN }
}

function post(
  agent: Agent,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { method: 'POST', agent, headers: { ...headers, 'content-length': Buffer.byteLength(body) } },
      (answer) => {
        answer.resume()
        answer.on('end', () =>
          answer.statusCode === 200 ? resolve() : reject(new Error(`answered ${answer.statusCode}`)),
        )
        answer.on('error', reject)
      },
    )
    call.on('error', reject)
    call.end(body)
  })
}
