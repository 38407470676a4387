import { followConsent } from '@valetkey/example-support'

/** Somebody's browser at the app: its cookies, by `fetch`. */
export interface Person {
  /** Signs in at Google as `email`, through the broker's consent page. */
  signIn(email: string): Promise<void>
  /** What the app answers. */
  get(path: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>
}

/** Somebody who has not been at the app yet. */
export function createPerson(origin: string, redirectUri: string): Person {
  const cookies = new Map<string, string>()

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('cookie', [...cookies].map((pair) => pair.join('=')).join('; '))
    const response = await fetch(new URL(path, origin), { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    return response
  }

  return {
    async signIn(email) {
      // What Better Auth's own client sends when a button is pressed.
      const begun = await ask('/api/auth/sign-in/social', {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin },
        body: JSON.stringify({ provider: 'google', callbackURL: '/' }),
      })
      const { url } = (await begun.json()) as { url: string }
      const back = await followConsent(url, redirectUri, (forms) =>
        forms.length === 1 ? forms[0] : forms.find(({ fields }) => Object.values(fields).includes(email)),
      )
      const end = await ask(back.href)
      const location = new URL(end.headers.get('location') ?? '', origin)
      if (location.searchParams.has('error'))
        throw new Error(`Not signed in: ${location.searchParams.get('error')}`)
    },
    async get(path) {
      const response = await ask(path)
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
  }
}
