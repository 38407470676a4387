import type { IdentityReport } from '@valetkey/sdk/identity'

/** The claims of an identity that say whose it is; nothing else of it is shown. */
export type ShownClaims = NonNullable<IdentityReport['claims']>

const maximumLength = 120

/** Claims cut to what fits on a line: they were not verified, and could be anything. */
export function shownClaims({ iss, sub, aud, exp }: ShownClaims): ShownClaims {
  return {
    ...(iss === undefined ? {} : { iss: shortened(iss) }),
    ...(sub === undefined ? {} : { sub: shortened(sub) }),
    aud: aud.map(shortened),
    ...(exp === undefined ? {} : { exp }),
  }
}

function shortened(text: string): string {
  return text.length <= maximumLength ? text : `${text.slice(0, maximumLength - 1)}…`
}
