import {
  type Attributes,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { errorCodes } from '@valetkey/protocol'
import { answerFor, type Outcome } from './refusal.ts'

/** Every span this broker makes beneath that of a request; docs/observability.md says when. */
export type StepName = 'valetkey.admit' | 'valetkey.provider' | 'valetkey.audit'

/** Records what requests do, for the tracer provider that the broker was given. */
export interface Tracing {
  /**
   * Answers one request in a span, which continues the trace of the caller's `traceparent`.
   *
   * @param answer says, once there is an answer, what the request was.
   */
  request(headers: Headers, answer: () => Promise<AnsweredRequest>): Promise<void>
  /** Runs one step of a request in a span. A refusal is recorded as its code. */
  step<Result>(name: StepName, attributes: Attributes, work: () => Promise<Result>): Promise<Result>
}

/** What is said of a request: its pattern and never its path, which people put credentials into. */
export interface AnsweredRequest {
  readonly method: string
  readonly route: string
  readonly status: number
  readonly requestId: string
}

/** Without a provider nothing is recorded, and every step is its work alone. */
export function createTracing(provider: TracerProvider | undefined): Tracing {
  if (provider === undefined) {
    return {
      request: async (_headers, answer) => {
        await answer()
      },
      step: (_name, _attributes, work) => work(),
    }
  }
  const tracer = provider.getTracer('@valetkey/broker')
  return {
    async request(headers, answer) {
      const caller = propagation.extract(ROOT_CONTEXT, headers, headerGetter)
      const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, caller)
      await ending(span, () => context.with(trace.setSpan(caller, span), answer), describe)
    },
    step: (name, attributes, work) =>
      tracer.startActiveSpan(name, { attributes }, (span) => ending(span, work, describeOutcome)),
  }
}

const headerGetter = {
  keys: (headers: Headers): string[] => [...headers.keys()],
  get: (headers: Headers, name: string): string | undefined => headers.get(name) ?? undefined,
}

async function ending<Result>(
  span: Span,
  work: () => Promise<Result>,
  describeResult: (span: Span, result: Result) => void,
): Promise<Result> {
  try {
    const result = await work()
    describeResult(span, result)
    return result
  } catch (error) {
    // Its class and never its message, which may quote a statement or an upstream body.
    fail(span, error instanceof Error ? error.name : typeof error)
    throw error
  } finally {
    span.end()
  }
}

function describe(span: Span, { method, route, status, requestId }: AnsweredRequest): void {
  span.updateName(`${method} ${route}`)
  span.setAttributes({
    'http.request.method': method,
    'http.route': route,
    'http.response.status_code': status,
    'valetkey.request.id': requestId,
  })
  if (status >= 500) fail(span, String(status))
}

function describeOutcome(span: Span, result: unknown): void {
  if (!isRefusal(result)) return
  const { code } = answerFor(result.refusal)
  span.setAttribute('error.type', code)
  // Of a refusal that is as it should be, the span is no error: OpenTelemetry says so of 4xx on a server.
  if (errorCodes[code].status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
}

function isRefusal(result: unknown): result is Extract<Outcome<never>, { readonly ok: false }> {
  return typeof result === 'object' && result !== null && 'refusal' in result
}

function fail(span: Span, type: string): void {
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR })
}
