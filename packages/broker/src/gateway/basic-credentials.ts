/**
 * Takes client id and secret out of an `Authorization: Basic …` header; undefined when they can't be.
 *
 * Each half is form-encoded before both are joined by a colon (RFC 6749 §2.3.1), so that a colon or percent sign inside
 * either is not taken for the joint. Clients that skip the encoding get by as long as they hold neither.
 */
export function basicCredentials(
  header: string,
): { readonly clientId: string; readonly secret: string } | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1]
  if (encoded === undefined) return undefined
  const joined = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = joined.indexOf(':')
  if (colon === -1) return undefined
  const clientId = formDecoded(joined.slice(0, colon))
  const secret = formDecoded(joined.slice(colon + 1))
  return clientId === undefined || secret === undefined ? undefined : { clientId, secret }
}

/** As a form's values are decoded, but strictly: what is not an encoding of anything is nothing. */
function formDecoded(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '))
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}
