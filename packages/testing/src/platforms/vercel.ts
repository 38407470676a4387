import { AsyncLocalStorage } from 'node:async_hooks'
import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { jsonBody } from './http-server.ts'
import { startPlatform } from './start-platform.ts'

const contextSymbol = Symbol.for('@vercel/request-context')
const ownAudience = 'https://vercel.com/acme'

interface RequestContext {
  readonly headers: Readonly<Record<string, string>>
}

/** A Vercel deployment. */
export interface FakeVercel extends FakePlatform {
  /** Calls `run` as Vercel calls a function: with a token of its own in the request's context, until it has ended. */
  duringRequest<Result>(run: () => Promise<Result>, token?: string): Promise<Result>
}

/**
 * A production deployment on Vercel. Its tokens are for `https://vercel.com/acme`, and `https://oidc.vercel.com/~token`
 * exchanges one for another audience: use the platform's `fetch`. Faults are the exchange's. Tokens live an hour.
 *
 * @see https://vercel.com/docs/oidc/reference
 */
export async function startVercel(options: PlatformOptions = {}): Promise<FakeVercel> {
  const { now = Date.now } = options
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      issuerPath: '/acme',
      lifetimeSeconds: 3_600,
      earlySeconds: 0,
      claims: {
        sub: 'owner:acme:project:website:environment:production',
        scope: 'owner:acme:project:website:environment:production',
        owner: 'acme',
        owner_id: 'team_7Gw5ZMBpQA8h9GF832KGp7nwbuh3',
        project: 'website',
        project_id: 'prj_7Gw5ZMBpQA8h9GF832KGp7nwbuh3',
        environment: 'production',
        plan: 'pro',
      },
      fixedAddresses: ['https://oidc.vercel.com'],
      answer({ method, url, text }, { mint, read }) {
        if (method !== 'POST' || url.pathname !== '/~token') return undefined
        const { token, aud } = jsonBody(text)
        const given = read(token)
        if (given === undefined || Number(given.exp) * 1000 <= now()) return { status: 401 }
        if (typeof aud !== 'string') return { status: 400 }
        const exchanged = mint(aud)
        return { body: { token: exchanged, expiry: read(exchanged)?.exp } }
      },
    },
    options,
  )
  const requests = new AsyncLocalStorage<RequestContext>()
  const global = globalThis as { [contextSymbol]?: unknown }
  const before = global[contextSymbol]
  global[contextSymbol] = { get: () => requests.getStore() }
  return {
    ...core,
    get environment() {
      return { VERCEL: '1', VERCEL_ENV: 'production', VERCEL_OIDC_TOKEN: core.identity(ownAudience) }
    },
    duringRequest: (run, token = core.identity(ownAudience)) =>
      requests.run({ headers: { 'x-vercel-oidc-token': token } }, run),
    async close() {
      if (before === undefined) delete global[contextSymbol]
      else global[contextSymbol] = before
      await core.close()
    },
  }
}
