import { followConsent } from '@valetkey/example-support'

/** Somebody's browser at the app: its cookies, by `fetch`. */
export interface Person {
  /** The app's cookies, as they are now. */
  readonly cookies: ReadonlyMap<string, string>
  /** Signs in at Linear as `name`, through the broker's consent page. */
  signIn(name: string): Promise<void>
  /** What the app answers. */
  get(path: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>
}

/** Somebody who has not been at the app yet. */
export function createPerson(origin: string, redirectUri: string): Person {
  const cookies = new Map<string, string>()

  async function ask(path: string, form?: Readonly<Record<string, string>>): Promise<Response> {
    const response = await fetch(new URL(path, origin), {
      redirect: 'manual',
      headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    return response
  }

  return {
    cookies,
    async signIn(name) {
      // The button of Auth.js's own page sends this.
      const { csrfToken } = (await (await ask('/auth/csrf')).json()) as { csrfToken: string }
      const begun = await ask('/auth/signin/linear', { csrfToken, callbackUrl: origin })
      const url = begun.headers.get('location') ?? ''
      const back = await followConsent(url, redirectUri, (forms) =>
        forms.length === 1 ? forms[0] : forms.find(({ fields }) => Object.values(fields).includes(name)),
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
