/** Requests sent one after the other on several connections until told to stop. */
export interface Load {
  /** `x-request-id` of every request that was answered 200: its sender has the token. */
  readonly acknowledged: readonly string[]
  /** Status and error code of every other answer; `gone` where none came. */
  readonly refused: readonly string[]
  stop(): Promise<void>
}

/** Asks a broker for tokens as a workload, without pause. */
export function startLoad(url: string, connector: string, credential: string, connections = 8): Load {
  const acknowledged: string[] = []
  const refused: string[] = []
  let stopped = false
  const send = async () => {
    try {
      const answer = await fetch(`${url}/v1/connect/token/${encodeURIComponent(connector)}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        body: '{"subject":{"type":"app"}}',
      })
      const body = (await answer.json()) as { error?: { code: string } }
      if (answer.status === 200) acknowledged.push(answer.headers.get('x-request-id') ?? '')
      else refused.push(`${answer.status} ${body.error?.code}`)
    } catch {
      refused.push('gone')
    }
  }
  const worker = async () => {
    while (!stopped) await send()
  }
  const workers = Promise.all(Array.from({ length: connections }, worker))
  return {
    acknowledged,
    refused,
    async stop() {
      stopped = true
      await workers
    },
  }
}
