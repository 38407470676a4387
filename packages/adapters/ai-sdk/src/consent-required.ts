/**
 * The output of a tool call whose user has not consented yet: what a page needs to show a button.
 *
 * Not a secret, yet meant for that user alone: whoever follows `url` is asked to consent.
 */
export interface ConsentRequired {
  readonly type: 'consent_required'
  readonly connector: string
  /** Where the user's browser goes. */
  readonly url: string
  /** Names the consent, as in the callback's `?request=…`. */
  readonly request: string
  /** What the user types in at `verificationUri` instead. */
  readonly deviceCode?: string
  readonly verificationUri?: string
  /** Milliseconds since the epoch; afterwards the tool must be called again. */
  readonly expiresAt: number
}

/**
 * True when a tool's output is a {@link ConsentRequired}, also one that came as JSON to a browser. Its addresses are
 * then http(s): a page may link to them. Never throws.
 */
export function isConsentRequired(output: unknown): output is ConsentRequired {
  if (typeof output !== 'object' || output === null) return false
  const { type, connector, url, request, deviceCode, verificationUri, expiresAt } = output as Record<
    string,
    unknown
  >
  return (
    type === 'consent_required' &&
    typeof connector === 'string' &&
    typeof request === 'string' &&
    typeof expiresAt === 'number' &&
    isWebAddress(url) &&
    (deviceCode === undefined || typeof deviceCode === 'string') &&
    (verificationUri === undefined || isWebAddress(verificationUri))
  )
}

// `javascript:` in a link would run in the page that shows it.
function isWebAddress(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}
