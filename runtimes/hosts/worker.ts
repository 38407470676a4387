// workerd: a Worker that does one thing for each request, which says what it needs.
import type { Client } from '@valetkey/sdk'
import { openScope, type Scope } from '../suite/environment.ts'
import type { Settings } from '../suite/protocol.ts'
import { runSuite } from '../suite.ts'

/** What a request asks for: the suite, or one step of what spans several requests. */
export type WorkerPath = '/suite' | '/leave' | '/ask' | '/seen'

/** Outlives requests, as a Worker's own client does. */
let kept: { readonly scope: Scope; readonly client: Client } | undefined

export default {
  async fetch(request: Request): Promise<Response> {
    const settings = (await request.json()) as Settings
    const runtime = { name: 'workerd', version: navigator.userAgent } as const
    const environment = { runtime, settings }
    const path = new URL(request.url).pathname as WorkerPath
    if (path === '/suite') return Response.json(await runSuite(environment))
    if (kept === undefined) {
      const scope = openScope(environment)
      kept = { scope, client: scope.client({ identity: 'workload', timeoutMs: 300 }) }
    }
    const { scope, client } = kept
    const token = (): Promise<string> => client.getToken('weather/mybot', { subject: { type: 'app' } })
    switch (path) {
      case '/leave':
        await scope.script({ delayMs: 20_000 })
        token().catch(() => {})
        while ((await scope.seen()).length === 0);
        return Response.json('left')
      case '/ask':
        return Response.json(await token().catch(({ code }) => code))
      case '/seen':
        return Response.json((await scope.seen()).length)
    }
  },
}
