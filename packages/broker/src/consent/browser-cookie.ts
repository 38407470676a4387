import { sha256 } from '../digest.ts'
import { matchesHash, newSecret } from './secrets.ts'

/** The browser of a person, by the secret of its cookie. */
export interface Browser {
  readonly secret: string
  /** Set when the browser does not have the cookie yet. */
  readonly cookie?: string
}

/** The prefix makes browsers refuse the cookie to other hosts and paths, and to http; http itself can't have it. */
function cookieName(publicUrl: string): string {
  return isHttps(publicUrl) ? '__Host-vk-browser' : 'vk-browser'
}

/** The secret that a `Cookie` header brings; undefined when there is none, or more than one. */
export function browserSecret(publicUrl: string, header: string | undefined): string | undefined {
  const name = cookieName(publicUrl)
  const values = (header ?? '').split(';').flatMap((pair) => {
    const [key, ...value] = pair.split('=')
    return key?.trim() === name ? [value.join('=').trim()] : []
  })
  const [value] = values
  return values.length === 1 && value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : undefined
}

/** The browser that sent a header; a new one when it brings no cookie. The cookie lives as long as the browser does. */
export function browserOf(publicUrl: string, header: string | undefined): Browser {
  const known = browserSecret(publicUrl, header)
  if (known !== undefined) return { secret: known }
  const secret = newSecret()
  const secure = isHttps(publicUrl) ? '; Secure' : ''
  // Lax: it must come along when the provider sends the browser back.
  const cookie = `${cookieName(publicUrl)}=${secret}; Path=/; HttpOnly; SameSite=Lax${secure}`
  return { secret, cookie }
}

/** What a form carries to show that a page of ours made it, in this browser, for this purpose. */
export function formToken(secret: string, purpose: string): string {
  return sha256(`valetkey form ${purpose} ${secret}`)
}

/** Whether a form came from a page of ours, in this browser, for this purpose. */
export function isFormToken(token: string, secret: string, purpose: string): boolean {
  return matchesHash(token, sha256(formToken(secret, purpose)))
}

/** Whether a browser says that its form comes from a page of this origin. One that says nothing is not believed. */
export function isSameOrigin(
  publicUrl: string,
  headers: { readonly origin: string | undefined; readonly site: string | undefined },
): boolean {
  if (headers.site !== undefined && headers.site !== 'same-origin') return false
  if (headers.origin === undefined) return headers.site === 'same-origin'
  return headers.origin === new URL(publicUrl).origin
}

function isHttps(publicUrl: string): boolean {
  return publicUrl.startsWith('https:')
}
