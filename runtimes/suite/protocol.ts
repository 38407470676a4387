/** One request as the server saw it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: Readonly<Record<string, unknown>> | undefined
}

/** How the server answers one request for a token. Empty: with the next token, `token-1`, `token-2`, and so on. */
export interface Answer {
  /** A refusal with this code instead of a token. */
  readonly code?: string
  /** Of the refusal. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly delayMs?: number
  /** Of the token. Default: an hour. */
  readonly lifeMs?: number
  readonly origins?: readonly string[]
}

/** What a process may be able to do besides computing and fetching. */
export type Ability = 'variables' | 'files' | 'commands'

/** What a host is told. */
export interface Settings {
  /** Part of each scope's name. */
  readonly run: string
  /** Has to be so: what is there and not listed is a permission that was not given. */
  readonly abilities: readonly Ability[]
  /** Origins of the issuing point, of a server that is not one, and of one that is closed. */
  readonly origin: string
  readonly elsewhere: string
  readonly closed: string
  /** A file that holds a token, and a command that prints one. */
  readonly tokenFile: string
  readonly tokenCommand: string
}

/** What a host answers. */
export interface Report {
  /** As the runtime itself says it. */
  readonly version: string
  readonly passed: readonly string[]
  /** Check and reason. */
  readonly failed: Readonly<Record<string, string>>
}
