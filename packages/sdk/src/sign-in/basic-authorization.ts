/**
 * The value of an `Authorization: Basic …` header. Each half is form-encoded before a colon joins them (RFC 6749
 * §2.3.1): the slash of a connector's UID and whatever a credential holds stay on their side of it.
 */
export function basicAuthorization(clientId: string, secret: string): string {
  return `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(secret)}`)}`
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
