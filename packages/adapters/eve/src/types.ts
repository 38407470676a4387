import type { Client, ConnectOptions, ConnectTokenParams, ConnectTokenSubject } from '@valetkey/sdk'
import type {
  ConnectionPrincipal,
  InteractiveAuthorizationDefinition,
  NonInteractiveAuthorizationDefinition,
} from 'eve/connections'

/** The functions of `@valetkey/sdk` that are used: what `createClient` returns, or the package's own. */
export type EveClient = Pick<
  Client,
  'deleteTokenCacheEntry' | 'getTokenResponse' | 'revokeToken' | 'startAuthorization' | 'waitForAuthorization'
>

/** Which of eve's calls met an error. */
export type AuthorizationPhase = 'getToken' | 'startAuthorization' | 'completeAuthorization'

/** What eve says about the connection: the `url` it was declared with. */
export type ConnectionContext = Parameters<NonInteractiveAuthorizationDefinition['getToken']>[0]['connection']

/** Options of {@link connect}. Unknown ones throw. */
export interface ConnectAuthorizationOptions {
  /** Id (`scl_...`) or UID (`linear/mybot`) of the connector. */
  readonly connector: string
  /** Whose token: the signed-in user's, asked for consent if need be, or the app's own. Default `'user'`. */
  readonly principalType?: 'user' | 'app' | undefined
  /** What is asked for: scopes, resources, installation. The same at every call; the subject is added. */
  readonly tokenParams?: Omit<ConnectTokenParams, 'subject'> | undefined
  /**
   * Makes the subject from eve's principal. Default: `{ type: 'user', id, issuer }` of the principal, or
   * `{ type: 'app' }`. A subject that two users share gives them one token.
   */
  readonly createSubject?:
    | ((
        principal: ConnectionPrincipal,
        connection: ConnectionContext,
      ) => ConnectTokenSubject | Promise<ConnectTokenSubject>)
    | undefined
  /** Ask the issuing point at every `getToken`, so that a revoked grant shows at once. Default `false`: see the cache. */
  readonly validate?: boolean | undefined
  /** The provider's name for people, on the sign-in button. Default: as the issuing point names it. */
  readonly displayName?: string | undefined
  /** The call to action beside the link. Default: eve's own. */
  readonly instructions?: string | undefined
  /**
   * Where the browser comes back first: the path of a mounted `consentReturn` channel. Default: eve's own callback, at
   * which eve reports `authorized` even after a denial.
   */
  readonly returnPath?: string | undefined
  /**
   * Sees every error before eve does, and may return another in its place. It is given the error as it happened, so
   * that it can tell a `ConnectError` by its code.
   */
  readonly onError?: ((error: unknown, phase: AuthorizationPhase) => Error | undefined) | undefined
  /** What `createClient` of `@valetkey/sdk` returned. Default: the package's own functions. */
  readonly client?: EveClient | undefined
  /** Options of every call to the issuing point. Its `timeoutMs` is also how long a consent is waited for. */
  readonly connectOptions?: ConnectOptions | undefined
}

/** What eve keeps between asking for consent and its end. Names the request, and proves who began it. */
export type ConsentResume = { readonly request: string; readonly verifier: string }

/** What `evict` takes. */
export interface EvictOptions {
  readonly principal: ConnectionPrincipal
  /** Needed where `createSubject` was given. */
  readonly connection?: ConnectionContext | undefined
  /** Also revoke the grant at the issuing point: the next call asks for consent. Default `false`. */
  readonly revoke?: boolean | undefined
}

/** Authorization by consent of the signed-in user. */
export interface UserAuthorization extends InteractiveAuthorizationDefinition<ConsentResume> {
  /**
   * Forgets the cached token of `principal`, so that the next call gets another; the issuing point is told which one
   * was rejected. eve calls it after a 401. With `revoke`, ends the grant as well, and rejects when that failed.
   */
  evict(options: EvictOptions): Promise<void>
}

/** Authorization as the app itself. */
export interface AppAuthorization extends NonInteractiveAuthorizationDefinition {
  /** As {@link UserAuthorization.evict}. */
  evict(options: EvictOptions): Promise<void>
}
