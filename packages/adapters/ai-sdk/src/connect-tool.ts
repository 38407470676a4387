import {
  type ConnectTokenParams,
  createFetch,
  getToken,
  getTokenResponse,
  startAuthorization,
} from '@valetkey/sdk'
import type { ToolExecutionOptions } from 'ai'
import { createAccess } from './access.ts'
import { afterFailure } from './after-failure.ts'
import { type ConsentRequired, isConsentRequired } from './consent-required.ts'
import { consentSentence, plainModelOutput } from './model-output.ts'
import type { ConnectTool, ConnectToolOptions, ToolContext } from './types.ts'
import { holdsSecret, withheld } from './withheld.ts'

/**
 * Returns a tool for `generateText`, `streamText` and agents whose `execute` is given access to a connector: a `fetch`
 * with the token in it, and `getToken`. Tokens are asked for at that moment, for what `params` says, with the call's
 * abort signal and tool call id; calls that run side by side share nothing but the client's cache.
 *
 * - Missing consent, wherever in `execute` it surfaces, is asked for and becomes the call's output, a
 *   {@link ConsentRequired}; of that, a model sees one sentence. See `onConsentRequired` and `onMissingConsent`.
 * - Other failures of the exchange become the call's error: a `ConnectError` of the same code, whose message is fit for
 *   a model and whose `cause` is the original. Errors of `execute`'s own stay what they are.
 * - An output or error that holds a token which `execute` was given is replaced by an error.
 */
export function connectTool<INPUT, OUTPUT, CONTEXT extends ToolContext>(
  options: ConnectToolOptions<INPUT, OUTPUT, CONTEXT>,
): ConnectTool<INPUT, OUTPUT, CONTEXT>
// The framework's type depends on what OUTPUT is, so only a concrete one can be compared with it: a type test does.
export function connectTool<INPUT, OUTPUT, CONTEXT extends ToolContext>(
  options: ConnectToolOptions<INPUT, OUTPUT, CONTEXT>,
): object {
  const {
    connector,
    params: given,
    execute: work,
    client = { createFetch, getToken, getTokenResponse, startAuthorization },
    allowOrigins,
    identityToken,
    vercelToken,
    timeoutMs,
    binding,
    callbackUrl,
    deviceCode,
    webhook,
    onConsentRequired,
    onMissingConsent,
    toModelOutput,
    ...frameworks
  } = options
  const consent = { binding, callbackUrl, deviceCode, webhook, onConsentRequired, onMissingConsent }

  function execute(input: INPUT, call: ToolExecutionOptions<CONTEXT>) {
    const { toolCallId, abortSignal: signal, context } = call
    // A variable of this call: one of the tool would hand a user's access to whoever calls at the same moment.
    let asked: Promise<ConnectTokenParams> | undefined
    const params = () => {
      asked ??= Promise.resolve().then(() => (typeof given === 'function' ? given(context) : given))
      return asked
    }
    const secrets = new Set<string>()
    const asking = { identityToken, vercelToken, timeoutMs }
    const access = createAccess({
      client,
      connector,
      params,
      signal,
      options: { ...asking, context: { toolCallId } },
      allowOrigins,
      onToken: (token) => secrets.add(token),
    })
    const failed = (error: unknown) =>
      afterFailure(error, {
        ...consent,
        client,
        connector,
        params,
        options: { ...asking, signal },
        context,
        secrets,
      })
    return settle(
      () => work(input, { ...call, ...access }),
      (output) => checked(output, secrets),
      failed,
    )
  }

  return {
    ...frameworks,
    execute,
    toModelOutput: (shown: { toolCallId: string; input: INPUT; output: OUTPUT | ConsentRequired }) => {
      const { output } = shown
      if (isConsentRequired(output)) return { type: 'text', value: consentSentence }
      return toModelOutput === undefined ? plainModelOutput(output) : toModelOutput({ ...shown, output })
    },
  }
}

/** Runs `work`, which answers once or, as an iterable, with ever better answers. */
function settle<OUTPUT>(
  work: () => AsyncIterable<OUTPUT> | PromiseLike<OUTPUT> | OUTPUT,
  check: (output: OUTPUT) => OUTPUT,
  failed: (error: unknown) => Promise<ConsentRequired>,
): AsyncIterable<OUTPUT | ConsentRequired> | Promise<OUTPUT | ConsentRequired> {
  try {
    const result = work()
    return isAsyncIterable(result)
      ? settleEach(result, check, failed)
      : Promise.resolve(result).then(check).catch(failed)
  } catch (error) {
    return failed(error)
  }
}

async function* settleEach<OUTPUT>(
  outputs: AsyncIterable<OUTPUT>,
  check: (output: OUTPUT) => OUTPUT,
  failed: (error: unknown) => Promise<ConsentRequired>,
): AsyncGenerator<OUTPUT | ConsentRequired> {
  try {
    for await (const output of outputs) yield check(output)
  } catch (error) {
    yield await failed(error)
  }
}

/** `output`, unless it would show a token, or ask for consent in our name: an API may answer whatever it likes. */
function checked<OUTPUT>(output: OUTPUT, secrets: ReadonlySet<string>): OUTPUT {
  if (holdsSecret(output, secrets)) throw withheld('output')
  if (isConsentRequired(output)) throw new Error("The tool's output poses as a request for consent")
  return output
}

function isAsyncIterable<OUTPUT>(
  value: AsyncIterable<OUTPUT> | PromiseLike<OUTPUT> | OUTPUT,
): value is AsyncIterable<OUTPUT> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}
