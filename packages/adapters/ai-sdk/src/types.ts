import type { ConsentChallenge } from '@valetkey/mcp'
import type {
  Client,
  ConnectOptions,
  ConnectTokenParams,
  ConnectTokenResponse,
  StartAuthorizationOptions,
} from '@valetkey/sdk'
import type { FlexibleSchema, Tool, ToolExecuteFunction, ToolExecutionOptions, ToolResultPart } from 'ai'
import type { ConsentRequired } from './consent-required.ts'

/** A tool's context, as the framework passes it: server-side values that no model has written. */
export type ToolContext = Record<string, unknown>

/** What the framework turns into the model's view of an output. */
export type ModelOutput = ToolResultPart['output']

/** What `connectTool` uses of a client. */
export type ConnectToolClient = Pick<
  Client,
  'createFetch' | 'getToken' | 'getTokenResponse' | 'startAuthorization'
>

/** What of a token request may differ from one ask to the next within a call. */
export type AskOptions = Pick<ConnectOptions, 'forceRefresh' | 'rejectedToken'>

/** How `execute` gets at the connector. Bound to one call: its params, its tool call's id, its abort signal. */
export interface ToolAccess {
  /**
   * A `fetch` with the connector's token, sent to the connector's own origins and `allowOrigins` only, and renewed once
   * after a 401. Ends with the call's `abortSignal`. Prefer it to `getToken`: `execute` then never holds the token.
   */
  readonly fetch: typeof globalThis.fetch
  /** The token, for clients that take one. An output or error that holds it is withheld. */
  readonly getToken: (options?: AskOptions) => Promise<string>
  /** As `getToken`, with expiry, what was granted, and origins. */
  readonly getTokenResponse: (options?: AskOptions) => Promise<ConnectTokenResponse>
}

/** What `execute` is given besides the model's input: what the framework gives, and the access. */
export type ConnectToolCall<CONTEXT> = ToolExecutionOptions<CONTEXT> & ToolAccess

/** How a consent that is missing is asked for. */
export interface ConsentOptions<CONTEXT>
  extends Pick<StartAuthorizationOptions, 'binding' | 'callbackUrl' | 'deviceCode' | 'webhook'> {
  /**
   * Given the challenge before the call ends, with the tool's context: put `request` and `verifier` in the session of
   * the user who is to consent, for `completeAuthorization`. Nobody else is ever given the verifier. What it throws
   * fails the call.
   */
  readonly onConsentRequired?:
    | ((challenge: ConsentChallenge, context: CONTEXT) => void | PromiseLike<void>)
    | undefined
  /** `'result'`: the call ends with a {@link ConsentRequired}; `'throw'`: with `ConsentRequiredError`. Default `'result'`. */
  readonly onMissingConsent?: 'result' | 'throw' | undefined
}

/** What `connectTool` takes. What is not described here is the framework's, with the framework's meaning. */
export interface ConnectToolOptions<INPUT, OUTPUT, CONTEXT extends ToolContext>
  extends ConsentOptions<CONTEXT>,
    Pick<ConnectOptions, 'identityToken' | 'vercelToken' | 'timeoutMs'> {
  /** Id (`scl_...`) or UID (`github/mybot`) of the connector. */
  readonly connector: string
  /**
   * What to ask for, or a function of the tool's context that says so. The model's input is not passed to it: whose
   * token it is comes from the app's session, through `toolsContext`. Called at most once a call, when `execute` first
   * asks.
   */
  readonly params:
    | ConnectTokenParams
    | ((context: CONTEXT) => ConnectTokenParams | PromiseLike<ConnectTokenParams>)
  /** Does the work. Asks for nothing before it is called, so a call that is denied costs no exchange. */
  readonly execute: (
    input: INPUT,
    call: ConnectToolCall<NoInfer<CONTEXT>>,
  ) => AsyncIterable<OUTPUT> | PromiseLike<OUTPUT> | OUTPUT
  /** Further origins that `fetch` may send the token to. Default: only those that the token names. */
  readonly allowOrigins?: readonly string[] | undefined
  /** What `createClient` returns. Default: the functions of `@valetkey/sdk`. */
  readonly client?: ConnectToolClient | undefined

  readonly description?: string | ((options: { context: NoInfer<CONTEXT> }) => string)
  readonly inputSchema: FlexibleSchema<INPUT>
  readonly contextSchema?: FlexibleSchema<CONTEXT>
  readonly title?: string
  readonly strict?: boolean
  readonly inputExamples?: { input: NoInfer<INPUT> }[]
  readonly deferLoading?: boolean
  readonly metadata?: NonNullable<Tool['metadata']>
  readonly providerOptions?: NonNullable<Tool['providerOptions']>
  readonly needsApproval?:
    | boolean
    | ((
        input: NoInfer<INPUT>,
        options: Pick<ToolExecutionOptions<NoInfer<CONTEXT>>, 'toolCallId' | 'messages' | 'context'>,
      ) => boolean | PromiseLike<boolean>)
  /** For outputs of `execute`. What the model sees of a missing consent is not yours to write. */
  readonly toModelOutput?: (options: {
    toolCallId: string
    input: NoInfer<INPUT>
    output: NoInfer<OUTPUT>
  }) => ModelOutput | PromiseLike<ModelOutput>
}

/** A `Tool` of the framework that can be executed. Its output is `execute`'s, or a {@link ConsentRequired}. */
export type ConnectTool<INPUT, OUTPUT, CONTEXT extends ToolContext> = Tool<
  INPUT,
  OUTPUT | ConsentRequired,
  CONTEXT
> & { readonly execute: ToolExecuteFunction<INPUT, OUTPUT | ConsentRequired, CONTEXT> }
