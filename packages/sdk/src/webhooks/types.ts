import type { ConsentStatusResponse } from '@valetkey/protocol'

/** What an attestation is held against. Unknown keys throw `invalid_request`. */
export interface VerifyWebhookOptions {
  /**
   * Your project, by name or id. Has to be said: one issuing point attests for many projects, and an attestation made
   * for another of them is genuine too. An identity or a variable would say who runs, not who is to be believed.
   */
  readonly project: string
  /** The environment that the webhook was given for, e.g. `production`. Has to be said, for the same reason. */
  readonly environment: string
  /** Address of the issuing point. Default: `VALETKEY_URL`. */
  readonly url?: string | undefined
  /** The webhook's URL as it was given. Default: the request's own, which behind a proxy is often another. */
  readonly destination?: string | undefined
  /** Fetches the issuing point's keys. Default: the global one, at the time of the call. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined
  /**
   * Remembers `jti` until `expiresAtMs` and says whether it was known before, in one atomic step. Give one where
   * several processes serve the webhook. Default: the memory of this process. Anything but `false` refuses.
   */
  readonly seen?: ((jti: string, expiresAtMs: number) => boolean | Promise<boolean>) | undefined
}

/** Where a consent request stands, as the issuing point attests it. */
export interface VerifiedWebhook extends ConsentStatusResponse {
  readonly connector: { readonly id: string; readonly uid: string }
  /** The body as it was received. */
  readonly rawBody: string
}
