import type { ReadEnvironment } from '../client/environment.ts'
import type { Transport } from '../http/send.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'

/** What a source is asked with, when a credential is needed. */
export interface IdentityContext extends Transport {
  readonly destination: Destination
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/**
 * One place an identity can come from.
 *
 * `find` decides whether the source matches, from the environment alone: nothing is probed. Once it matches, a fault
 * of it stops the call; no other source is tried.
 */
export interface IdentitySource {
  /** What `VALETKEY_IDENTITY` calls it. */
  readonly name: string
  /**
   * What partitions the cache. `given`: the credential itself, which is what `find` returned. Otherwise the source's
   * name, with its configuration, which is what `find` returned then.
   */
  readonly partition: 'given' | 'github-actions' | 'id-token-file' | 'id-token-command'
  /** The command that brings a new credential when one has expired. */
  readonly remedy?: string
  /** The variable that shows it. */
  readonly variable: string
  /**
   * The credential or configuration if the source matches, `''` if it matches and is broken, undefined if it declines.
   * Whatever is returned is all that `obtain` uses, so that a credential and its partition cannot come apart.
   */
  find(read: ReadEnvironment, destination: Destination): string | undefined
  /** The credential to send. Throws `identity_unavailable` with the reason. */
  obtain(found: string, context: IdentityContext): string | Promise<string>
}

/** A source that matched, and what it found. */
export interface FoundIdentity {
  readonly source: IdentitySource
  readonly found: string
}
