import type { AuthorizationDetail, Subject, TokenResponse, WireErrorCode } from '@valetkey/protocol'
import type { HttpHandler } from 'msw'

/** What is asked for: the routes of the wire protocol that a workload calls. */
export type MockCall = 'token' | 'authorize' | 'install' | 'status' | 'complete' | 'describe' | 'revoke'

/** One request that reached the mock, whatever it was answered. Never a verifier, a code or a credential. */
export interface MockRequest {
  readonly call: MockCall
  /** UID of the connector; absent where a consent request is named that the mock does not know. */
  readonly connector?: string
  readonly subject?: Subject
  readonly installationId?: string
  readonly audience?: readonly string[]
  readonly scopes?: readonly string[]
  readonly resources?: readonly string[]
  readonly authorizationDetails?: readonly AuthorizationDetail[]
  readonly rejectedTokenId?: string
  readonly toolCallId?: string
  /** The consent request of `status` and `complete`. */
  readonly request?: string
  /** Claims of the identity, unverified; absent where it is no JWT. */
  readonly identity?: Readonly<Record<string, unknown>>
}

/** The answer to a token request: the mock adds what is left out, and an hour of life. */
export interface MockTokenAnswer extends Partial<TokenResponse> {
  readonly token: string
}

/** A token, a whole answer, or what makes one: asked at each exchange, and never kept. */
export type MockToken =
  | string
  | MockTokenAnswer
  | ((request: MockRequest) => string | MockTokenAnswer | Promise<string | MockTokenAnswer>)

/**
 * What users have said. `required`: nothing yet, so that they have to be asked; `granted`: yes, once and for all;
 * `denied`: nothing yet, and no to whatever they are asked.
 */
export type MockConsent = 'required' | 'granted' | 'denied'

/**
 * An error of the wire, or a fault beneath it: `hang` never answers, `garbage` is a page of HTML with status 200,
 * `network-error` breaks the connection.
 */
export type MockFailureCode = WireErrorCode | 'hang' | 'garbage' | 'network-error'

/** What goes wrong. */
export interface MockFailure {
  readonly code: MockFailureCode
  /** UID of the connector whose calls fail. Default: all calls fail. */
  readonly connector?: string
  /** How many answers. Default: all. */
  readonly times?: number
  /** `Retry-After`, whole seconds. Default 1 for `rate_limited`, else none. */
  readonly retryAfterSeconds?: number
}

/** Everything has a default. Unknown keys throw. */
export interface MockIssuingPointOptions {
  /** https, or http on loopback. Default `https://valetkey.test`. */
  readonly url?: string
  /**
   * By UID of the connector. Absent, every connector there may be answers a made-up token; given, those named here and
   * in `consent` are all there are, and others are `forbidden`.
   */
  readonly tokens?: Readonly<Record<string, MockToken>>
  /** By UID of the connector. Default `granted`. Only users consent: other subjects get their tokens. */
  readonly consent?: Readonly<Record<string, MockConsent>>
  /** The first that fits a call, and has `times` left, is its answer. A code alone fails every call. */
  readonly failures?: readonly (MockFailure | MockFailureCode)[]
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number
}

/** What comes of a consent: where the browser goes, and with what. */
export interface MockAnsweredConsent {
  /** Names the consent request. */
  readonly request: string
  /** For `completeAuthorization`; absent where the user said no. */
  readonly code?: string
  /** The `callbackUrl` of the request, with what the browser brings there; absent where it had none. */
  readonly returnUrl?: string
}

/** An issuing point that exists in a test only. Its functions need no `this`. */
export interface MockIssuingPoint {
  /** For `setupServer(...)` and `setupWorker(...)`. */
  readonly handlers: readonly HttpHandler[]
  /** Without a trailing slash. */
  readonly url: string
  /**
   * What the process under test needs: the address, and an identity for it, unsigned. The identity is another one for
   * each mock, so that nothing the SDK keeps for one is used with the next.
   */
  readonly environment: { readonly VALETKEY_URL: string; readonly VALETKEY_ID_TOKEN: string }
  /** What was asked so far, the oldest first. Grows. */
  readonly requests: readonly MockRequest[]
  /**
   * The user agrees to a consent request, by default to the newest that nobody has answered. It is then `consented`: what
   * makes it `active` is `completeAuthorization`, within a minute where there is a `returnUrl`.
   */
  consent(request?: string): MockAnsweredConsent
  /** The user says no to it. */
  deny(request?: string): MockAnsweredConsent
  /**
   * Ends tokens of a connector, and what its users agreed to: all of them, or those of one subject. Users have to be asked
   * again.
   */
  revoke(connector: string, subject?: Subject): void
  /** Ends tokens, of one connector or all, before their time. What users agreed to stays: the next exchange has another. */
  expireTokens(connector?: string): void
  /** Whether `token` was issued here, and neither has expired nor was ended: what an API asks that is to answer 401. */
  isLive(token: string): boolean
  /** From now on these failures in place of the present ones; without any, all is well. */
  fail(...failures: readonly (MockFailure | MockFailureCode)[]): void
}
