import type { Attributes, Counter, Histogram, Meter, MeterProvider, Span } from '@opentelemetry/api'
import type { ConnectEvent } from '../client/events.ts'
import { isConnectError } from '../errors/connect-error.ts'

/** What of `@opentelemetry/api` is used. */
export type OpenTelemetryApi = Pick<
  typeof import('@opentelemetry/api'),
  'context' | 'metrics' | 'propagation' | 'trace'
>

/** The headers of W3C Trace Context. */
export type TraceHeaders = Readonly<Record<string, string>>

/** Records what calls do, for the application's OpenTelemetry SDK. */
export interface Telemetry {
  /**
   * Runs `work` in a span, which ends with it. `work` gets the headers that link what answers to that span.
   *
   * A failure is recorded as its code, never with a message.
   */
  inSpan<Result>(
    name: SpanName,
    attributes: Attributes,
    work: (headers: TraceHeaders) => Promise<Result>,
  ): Promise<Result>
  /** Counts an event. */
  readonly count: (event: ConnectEvent) => void
}

/** Every span this package makes; docs/observability.md says when. */
export type SpanName = 'valetkey.exchange' | 'valetkey.identity' | 'valetkey.call'

const scope = '@valetkey/sdk'

// Of `SpanKind` and `SpanStatusCode`: the package itself may be absent, so its values are not imported.
const internalKind = 0
const clientKind = 2
const errorStatus = 2

/** Telemetry by one copy of the API. Providers are looked up at each use: an application may register them late. */
export function createTelemetry({ context, metrics, propagation, trace }: OpenTelemetryApi): Telemetry {
  let provider: MeterProvider | undefined
  let instruments: Instruments | undefined
  function instrumentsNow(): Instruments {
    const current = metrics.getMeterProvider()
    if (instruments === undefined || current !== provider) {
      provider = current
      instruments = createInstruments(current.getMeter(scope))
    }
    return instruments
  }
  return {
    inSpan(name, attributes, work) {
      const kind = name === 'valetkey.identity' ? internalKind : clientKind
      let begun: ReturnType<typeof work> | undefined
      try {
        return trace.getTracer(scope).startActiveSpan(name, { kind, attributes }, (span) => {
          begun = work(quietly(() => headersOf(propagation, context)) ?? {})
          return begun.then(
            (result) => {
              quietly(() => span.end())
              return result
            },
            (error: unknown) => {
              quietly(() => recordFailure(span, error))
              quietly(() => span.end())
              throw error
            },
          )
        })
      } catch {
        return begun ?? work({})
      }
    },
    count: (event) => count(instrumentsNow(), event),
  }
}

interface Instruments {
  readonly hits: Counter
  readonly evictions: Counter
  readonly durations: Histogram
}

function createInstruments(meter: Meter): Instruments {
  return {
    hits: meter.createCounter('valetkey.client.cache.hits', {
      description: 'Tokens returned from the cache',
      unit: '{token}',
    }),
    evictions: meter.createCounter('valetkey.client.cache.evictions', {
      description: 'Tokens that left the cache on request, or because they were refused',
      unit: '{token}',
    }),
    durations: meter.createHistogram('valetkey.client.exchange.duration', {
      description: 'Duration of exchanges of an identity for a token',
      unit: 's',
    }),
  }
}

function count({ hits, evictions, durations }: Instruments, event: ConnectEvent): void {
  const connector = { 'valetkey.connector': event.connector }
  switch (event.type) {
    case 'cache_hit':
      hits.add(1, { ...connector, 'valetkey.cache.state': event.state })
      break
    case 'cache_evicted':
      evictions.add(event.entries, connector)
      break
    case 'exchange_finished':
      durations.record(event.durationMs / 1000, {
        ...connector,
        'valetkey.identity.source': event.identity,
        'valetkey.exchange.background': event.background,
        ...(event.code === undefined ? undefined : { 'error.type': event.code }),
      })
      break
    case 'exchange_started':
  }
}

/** What records a call must not be what fails it. */
function quietly<Result>(record: () => Result): Result | undefined {
  try {
    return record()
  } catch {
    return undefined
  }
}

function headersOf(
  propagation: OpenTelemetryApi['propagation'],
  context: OpenTelemetryApi['context'],
): TraceHeaders {
  const carrier: Record<string, string> = {}
  propagation.inject(context.active(), carrier)
  const { traceparent, tracestate } = carrier
  // Nothing else of it: baggage is the application's, and could hold anything.
  return {
    ...(traceparent === undefined ? undefined : { traceparent }),
    ...(tracestate === undefined ? undefined : { tracestate }),
  }
}

function recordFailure(span: Span, error: unknown): void {
  span.setAttribute('error.type', isConnectError(error) ? error.code : 'unavailable')
  span.setStatus({ code: errorStatus })
}
