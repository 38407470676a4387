/**
 * How a fake misbehaves. `wrong-audience` and `expired`: what it gives out is for somebody else, or old. `garbage`: no
 * token at all. `refuses`: it answers 403, fails, or leaves its variable or file out. `unavailable` (503),
 * `rate-limited` (429 with a `Retry-After` of one second), `redirect` (back to itself) and `hang` (no answer ever) are
 * for platforms that are asked; one that puts its token into a variable or a file throws a `TypeError` for them.
 */
export type PlatformFault =
  | 'wrong-audience'
  | 'expired'
  | 'hang'
  | 'garbage'
  | 'rate-limited'
  | 'unavailable'
  | 'redirect'
  | 'refuses'

/** What every fake can be told. */
export interface PlatformOptions {
  /** Claims over those that the platform would write; one that is undefined is left out. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Default: what the platform itself does. */
  readonly lifetimeSeconds?: number
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number
}

/** What a fake can be told where the token is made before the workload runs. */
export interface AudienceOptions extends PlatformOptions {
  /** The audience in the job's or pod's configuration: the issuing point's URL, without a trailing slash. */
  readonly audience: string
}

/** A platform on loopback. It is its tokens' issuer too, with discovery and keys, so that a broker can verify them. */
export interface FakePlatform {
  /**
   * What a workload that starts now has in its environment: what the platform puts there, and what one has to set for
   * the platform to be asked. Where a variable holds the token, every reading brings another.
   */
  readonly environment: Readonly<Record<string, string>>
  /** `iss` of its tokens. */
  readonly issuer: string
  /**
   * A `fetch` for a workload on it: the platform's fixed addresses lead to the fake, every other request goes out as
   * usual.
   */
  readonly fetch: typeof globalThis.fetch
  /** How many identities it was asked for. */
  readonly asked: () => number
  /** How many of those who asked still wait for an answer. */
  readonly waiting: () => number
  /**
   * A token of this platform for any audience, faults or not, with every claim that a workload there can ask for. Claims
   * go over the platform's.
   */
  identity(audience: string, claims?: Readonly<Record<string, unknown>>): string
  /** From now on it has this fault; without one it is well again. With `times`, for so many answers only. */
  misbehave(fault?: PlatformFault, times?: number): void
  close(): Promise<void>
}
