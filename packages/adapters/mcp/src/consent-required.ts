import { ConnectError, type ConnectTokenSubject } from '@valetkey/sdk'

/** A consent that has been started for the subject, and what is needed to lead the person through it. */
export interface ConsentChallenge {
  readonly connector: string
  readonly subject: ConnectTokenSubject
  /** Where the browser goes. */
  readonly url: string
  /** Names the consent, as in the callback's `?request=…`. */
  readonly request: string
  /**
   * Proves who began. Keep it, with `request`, in the session of the person who is to consent, for
   * `completeAuthorization`. It is a secret: not enumerable, so that printing, copying or serializing a challenge
   * leaves it out, and only `challenge.verifier` reads it.
   */
  readonly verifier: string
  /** Typed in at `verificationUri` instead of opening `url`. */
  readonly deviceCode?: string
  readonly verificationUri?: string
  /** Milliseconds since the epoch; afterwards the call must be made again. */
  readonly expiresAt: number
}

const brand = /* @__PURE__ */ Symbol.for('@valetkey/mcp.ConsentRequiredError')

/**
 * The user has to consent before the call can be made: send them to `challenge.url`, then call again.
 *
 * Frameworks wrap it in errors of their own: {@link getConsentChallenge} finds it there. Code
 * `user_authorization_required`, so that `isConnectError` knows it too.
 */
export class ConsentRequiredError extends ConnectError {
  readonly challenge: ConsentChallenge

  constructor(challenge: ConsentChallenge) {
    const { connector, verifier, ...shown } = challenge
    super(`The user has to consent to "${connector}" first`, {
      code: 'user_authorization_required',
      connector,
    })
    // Not the class's own name: minifiers rename classes.
    this.name = 'ConsentRequiredError'
    // An accessor, so that inspecting hidden properties does not show it either.
    this.challenge = Object.defineProperty({ connector, ...shown } as ConsentChallenge, 'verifier', {
      get: () => challenge.verifier,
    })
    Object.freeze(this.challenge)
    Object.defineProperty(this, brand, { value: true })
  }

  // What the error of `@vercel/connect` shows by itself. On the prototype, so that no log prints it.
  get subject(): ConsentChallenge['subject'] {
    return this.challenge.subject
  }
  get url(): string {
    return this.challenge.url
  }
  get request(): string {
    return this.challenge.request
  }
  get verifier(): string {
    return this.challenge.verifier
  }
  get deviceCode(): string | undefined {
    return this.challenge.deviceCode
  }
  get expiresAt(): number {
    return this.challenge.expiresAt
  }
}

/**
 * True when `value` is a {@link ConsentRequiredError}, also one of another copy of this package in the same process,
 * where `instanceof` fails. Does not look into causes. Never throws.
 */
export function isConsentRequiredError(value: unknown): value is ConsentRequiredError {
  return read(value, brand) === true
}

/**
 * The challenge of the {@link ConsentRequiredError} that `error` is, or has somewhere among its causes or the errors
 * it gathers (`AggregateError`); undefined when there is none. Never throws.
 */
export function getConsentChallenge(error: unknown): ConsentChallenge | undefined {
  const seen = new Set<unknown>()
  const left: unknown[] = [error]
  // Bounded too, as an object may make up a new cause each time it is asked.
  while (left.length > 0 && seen.size < maxErrors) {
    const next = left.shift()
    if (typeof next !== 'object' || next === null || seen.has(next)) continue
    seen.add(next)
    if (isConsentRequiredError(next)) return next.challenge
    const errors = read(next, 'errors')
    left.push(read(next, 'cause'), ...(Array.isArray(errors) ? errors.slice(0, maxErrors) : []))
  }
  return undefined
}

const maxErrors = 100

function read(value: unknown, name: string | symbol): unknown {
  try {
    return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  } catch {
    return undefined
  }
}
