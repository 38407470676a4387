/** An authorization code, taken apart. */
export interface SignInCode {
  readonly requestId: string
  readonly secret: string
}

/** The code for a consent request: its id, by which it is found, and the secret that redeems it. */
export function signInCode({ requestId, secret }: SignInCode): string {
  return `${requestId}.${secret}`
}

/** Takes a code apart; undefined when it is not of that form. */
export function parseSignInCode(text: string): SignInCode | undefined {
  const [, requestId, secret] = /^(ask_[A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,128})$/.exec(text) ?? []
  return requestId === undefined || secret === undefined ? undefined : { requestId, secret }
}
