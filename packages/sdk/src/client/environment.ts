/** Reads one environment variable. Empty counts as absent. */
export type ReadEnvironment = (name: string) => string | undefined

/** The environment of this process; empty where there is none (some edge runtimes) or it may not be read (Deno). */
export function readProcessEnvironment(name: string): string | undefined {
  try {
    // Read at every call, and not remembered: `.env.local` is reloaded by assigning to it.
    const value = process.env[name]
    return value === '' ? undefined : value
  } catch {
    return undefined
  }
}

/** What Vercel's runtime attaches to the request being served. */
export interface VercelRequestContext {
  readonly headers?: Readonly<Record<string, unknown>>
  readonly waitUntil?: (promise: Promise<unknown>) => void
}

const contextSymbol = /* @__PURE__ */ Symbol.for('@vercel/request-context')

/** Vercel's context of the request being served, or undefined elsewhere. */
export function vercelRequestContext(): VercelRequestContext | undefined {
  const holder = (globalThis as { [contextSymbol]?: { get?: () => VercelRequestContext | undefined } })[
    contextSymbol
  ]
  return holder?.get?.()
}

/** True on Cloudflare Workers, where work left behind by a request is cancelled with it. */
export function isWorkerd(): boolean {
  return (globalThis as { navigator?: { userAgent?: string } }).navigator?.userAgent === 'Cloudflare-Workers'
}
