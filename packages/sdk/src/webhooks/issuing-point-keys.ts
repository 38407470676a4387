import { createRemoteJWKSet, customFetch, type RemoteJWKSet } from 'jose'
import { limitedText } from '../http/limited-text.ts'

const maxIssuingPoints = 16

// By fetch, so that a key set never comes from a network the caller did not choose, then by issuing point.
const keySets = /* @__PURE__ */ new WeakMap<typeof globalThis.fetch, Map<string, RemoteJWKSet>>()

/** The public keys of an issuing point: fetched when first needed, kept for ten minutes, renewed for an unknown one. */
export function issuingPointKeys(base: string, fetch: typeof globalThis.fetch): RemoteJWKSet {
  let byBase = keySets.get(fetch)
  if (byBase === undefined) {
    byBase = new Map()
    keySets.set(fetch, byBase)
  }
  let keys = byBase.get(base)
  if (keys === undefined) {
    if (byBase.size >= maxIssuingPoints) byBase.clear()
    keys = createRemoteJWKSet(new URL(`${base}/.well-known/jwks.json`), {
      [customFetch]: async (url, init) => {
        // Redirects are not followed: keys come from the configured address or not at all.
        const response = await fetch(url, { ...init, redirect: 'manual' })
        if (response.status !== 200) {
          response.body?.cancel().catch(() => {})
          return new Response(null, { status: 502 })
        }
        return new Response(await limitedText(response))
      },
    })
    byBase.set(base, keys)
  }
  return keys
}
