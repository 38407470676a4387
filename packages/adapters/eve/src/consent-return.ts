import { type Channel, defineChannel, GET } from 'eve/channels'

const marker = '/eve/v1/connections/'
// Every segment holds something, so that it can't begin with `//` and lead to another host.
const eveCallback =
  /^(?:\/[\w.~%:@-]+)*\/eve\/v1\/connections\/[\w.~%:@-]+\/callback\/[\w.~%:@-]+\/[\w.~%:@-]+$/

/**
 * A channel at `path`, where browsers come back from a consent before eve hears of it: mount it in `agent/channels/` and
 * give `connect` the same `returnPath`.
 *
 * eve reports a sign-in as `authorized` for whatever calls back. With this in between, only a consent that was given
 * calls back; after a denial the person reads that nothing was connected, and the next message ends the sign-in as
 * `declined`.
 */
export function consentReturn(path: string): Channel {
  return defineChannel({ routes: [GET(path, async (request) => answer(new URL(request.url).searchParams))] })
}

/** Where the browser is sent instead of to eve's own `callbackUrl`. */
export function returnUrl(callbackUrl: string, path: string | undefined): string {
  if (path === undefined) return callbackUrl
  const { origin, pathname } = new URL(callbackUrl)
  const url = new URL(`${pathname.slice(0, Math.max(0, pathname.indexOf(marker)))}${path}`, origin)
  url.searchParams.set('to', pathname)
  return url.href
}

/** Exported for its tests. */
export function answer(query: URLSearchParams): Response {
  const to = query.get('to') ?? ''
  const request = query.get('request')
  // A path that is not its own normal form leads elsewhere.
  const isPlain = URL.canParse(to, 'http://localhost') && new URL(to, 'http://localhost').pathname === to
  if (!isPlain || !eveCallback.test(to) || request === null)
    return page(400, 'This is not a way back from a consent.')
  if (query.has('error'))
    return page(200, 'Nothing was connected. Go back to the conversation and write on from there.')
  return new Response(null, {
    status: 303,
    headers: { location: `${to}?${new URLSearchParams({ request })}`, 'cache-control': 'no-store' },
  })
}

function page(status: number, text: string): Response {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Not connected</title><h1>Not connected</h1><p>${text}</p></html>`
  return new Response(html, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
    },
  })
}
