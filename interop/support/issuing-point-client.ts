import { type Client, createClient } from '@valetkey/sdk'
import type { Point } from './issuing-point-world.ts'

/** One request for a token or for its end, as it left the client. */
export interface Sent {
  readonly url: URL
  /** The identity, wherever the request carries it. */
  readonly credential: string | undefined
  readonly scopes: readonly string[] | undefined
  readonly user: string | undefined
}

/** A client of an issuing point, and what it sent. */
export interface WatchedClient extends Client {
  readonly sent: Sent[]
}

/** Makes one. What is meant for Vercel's API goes to the gate of the issuing point: its address can't be configured. */
export function clientOf({ settings, gate }: Point, identity?: string): WatchedClient {
  const sent: Sent[] = []
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const url = new URL(String(input))
    if (init?.method !== 'GET')
      sent.push(read(url, new Headers(init?.headers as Record<string, string>), init?.body))
    const target = url.origin === 'https://api.vercel.com' ? `${gate.url}${url.pathname}` : url
    return globalThis.fetch(target, init)
  }
  const client = createClient({ ...settings, fetch, ...(identity === undefined ? {} : { identity }) })
  return Object.assign(client, { sent })
}

function read(url: URL, headers: Headers, body: unknown): Sent {
  const text = String(body)
  if (headers.get('content-type')?.startsWith('application/json') === true) {
    const { scopes, subject } = JSON.parse(text)
    const credential = headers.get('authorization')?.replace(/^Bearer /, '')
    return { url, credential, scopes, user: subject.id }
  }
  const form = new URLSearchParams(text)
  return {
    url,
    credential: form.get('subject_token') ?? undefined,
    scopes: form.get('scope')?.split(' '),
    user: form.get('requested_subject') ?? undefined,
  }
}
