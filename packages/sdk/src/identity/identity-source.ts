import type { ReadEnvironment } from '../client/environment.ts'
import type { Transport } from '../http/send.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'

/**
 * One place an identity can come from, as far as it takes to find it: a name and variables. What obtains one is in
 * `platforms/`, loaded when it is needed.
 */
export interface IdentitySource {
  /** What `VALETKEY_IDENTITY` calls it. */
  readonly name: string
  /**
   * What partitions the cache. `given`: the credential itself, which is what was found. Otherwise the source's name,
   * with its configuration, which is what was found then.
   */
  readonly partition: string
}

/** A source that matched, and what it found. */
export interface FoundIdentity {
  readonly source: IdentitySource
  /**
   * The credential, or the values of the source's variables, one on each line; empty where it matches and is broken.
   * It is all that obtaining uses, so that a credential and its partition cannot come apart.
   */
  readonly found: string
}

/** What a source is asked with, when a credential is needed. */
export interface IdentityContext extends Transport {
  readonly destination: Destination
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** For reports. A credential comes from what was found, and from nowhere else. */
  readonly read: ReadEnvironment
}

/**
 * The way to a platform's identity.
 *
 * @param values those of the source's variables, in the order of `sources.ts`, '' where one is not set. Where the
 *   variables hold the credential itself: the credential, or ''.
 * @throws {ConnectError} `identity_unavailable`, naming the platform and what to do. No other source is tried.
 */
export type ObtainIdentity = (values: readonly string[], context: IdentityContext) => string | Promise<string>
