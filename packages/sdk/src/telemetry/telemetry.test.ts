import { context, metrics, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { getTokenIn } from '../calls/get-token.ts'
import { revokeTokenIn } from '../calls/revoke-token.ts'
import { observer } from '../client/events.ts'
import {
  brokerUrl,
  countingFetch,
  errorOf,
  fakeFetch,
  inAnHourSeconds,
  jwt,
  testContext,
  tokenResponse,
} from '../test-support/fakes.ts'

const app = { subject: { type: 'app' } } as const
const spans = new InMemorySpanExporter()
let measured: InMemoryMetricExporter
let meters: MeterProvider

function register(what: { readonly traces: boolean; readonly metrics: boolean }): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  if (what.traces)
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
    )
  measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter: measured })] })
  if (what.metrics) metrics.setGlobalMeterProvider(meters)
}

beforeEach(() => {
  spans.reset()
})

afterEach(async () => {
  trace.disable()
  metrics.disable()
  propagation.disable()
  context.disable()
  await meters?.shutdown()
})

const named = (name: string): ReadableSpan[] => spans.getFinishedSpans().filter((span) => span.name === name)

async function counted(name: string): Promise<readonly { value: unknown; attributes: object }[]> {
  await meters.forceFlush()
  const all = measured
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
  return all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
}

describe('without an OpenTelemetry SDK', () => {
  it('nothing is recorded, no header is sent, and cached tokens are not counted', async () => {
    const fetch = countingFetch()
    const client = testContext({ fetch, identity: 'me' })
    await getTokenIn(client, 'c', app, undefined)
    await getTokenIn(client, 'c', app, undefined)
    expect(fetch.seen[0]?.headers.get('traceparent')).toBeNull()
    expect(observer.tell).toBeUndefined()
  })
})

describe('with an OpenTelemetry SDK', () => {
  it('an exchange is a span of the caller’s, with the identity and the call beneath it', async () => {
    register({ traces: true, metrics: false })
    const client = testContext({ fetch: countingFetch(), identity: 'me' })
    await trace.getTracer('app').startActiveSpan('agent', async (span) => {
      await getTokenIn(client, 'slack/mybot', app, undefined)
      await getTokenIn(client, 'slack/mybot', app, undefined)
      span.end()
    })
    const [agent] = named('agent')
    const [exchange, ...others] = named('valetkey.exchange')
    expect(others).toEqual([])
    expect(exchange?.parentSpanContext?.spanId).toBe(agent?.spanContext().spanId)
    expect(exchange?.attributes).toEqual({
      'valetkey.connector': 'slack/mybot',
      'valetkey.subject.type': 'app',
      'valetkey.exchange.background': false,
    })
    for (const name of ['valetkey.identity', 'valetkey.call'])
      expect(named(name)[0]?.parentSpanContext?.spanId).toBe(exchange?.spanContext().spanId)
    expect(named('valetkey.identity')[0]?.attributes).toEqual({
      'valetkey.identity.source': 'the identity option',
    })
    expect(named('valetkey.call')[0]?.attributes).toEqual({ 'server.address': 'broker.example' })
    expect(observer.tell).toBeUndefined()
  })

  it('the issuing point gets the trace context, and a platform does not', async () => {
    register({ traces: true, metrics: false })
    const fetch = fakeFetch(({ url }) =>
      url.startsWith(brokerUrl)
        ? Response.json(tokenResponse())
        : Response.json({ value: jwt({ aud: brokerUrl, exp: inAnHourSeconds }) }),
    )
    const variables = {
      VALETKEY_URL: brokerUrl,
      ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example/token',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
    }
    await getTokenIn(testContext({ fetch }, variables), 'c', app, undefined)
    const [platform, issuingPoint] = fetch.seen
    const call = named('valetkey.call')[0]?.spanContext()
    expect(issuingPoint?.headers.get('traceparent')).toBe(`00-${call?.traceId}-${call?.spanId}-01`)
    expect(platform?.headers.get('traceparent')).toBeNull()
  })

  it('S26 a failure is its code: no message, no token, no subject', async () => {
    register({ traces: true, metrics: true })
    const body = { error: { code: 'forbidden', message: 'secret-message', requestId: 'r' } }
    const fetch = fakeFetch(() => Response.json(body, { status: 403 }))
    const user = { subject: { type: 'user', id: 'user-secret' } } as const
    await errorOf(getTokenIn(testContext({ fetch, identity: 'credential-secret' }), 'c', user, undefined))
    const [exchange] = named('valetkey.exchange')
    expect(exchange?.attributes['error.type']).toBe('forbidden')
    expect(exchange?.status).toEqual({ code: 2 })
    await counted('')
    const everything = JSON.stringify([
      spans
        .getFinishedSpans()
        .map(({ name, attributes, events, status }) => [name, attributes, events, status]),
      measured.getMetrics().map(({ scopeMetrics }) => scopeMetrics),
    ])
    expect(everything).toContain('valetkey.client.exchange.duration')
    expect(everything).not.toContain('secret')
  })

  it('exchanges are measured, and cached and evicted tokens counted', async () => {
    register({ traces: false, metrics: true })
    const client = testContext({ fetch: countingFetch(), identity: 'me' })
    for (let call = 0; call < 3; call++) await getTokenIn(client, 'c', app, undefined)
    await revokeTokenIn(client, 'c', app, undefined)
    expect(await counted('valetkey.client.cache.hits')).toMatchObject([
      { value: 2, attributes: { 'valetkey.connector': 'c', 'valetkey.cache.state': 'fresh' } },
    ])
    expect(await counted('valetkey.client.cache.evictions')).toMatchObject([{ value: 1 }])
    expect(await counted('valetkey.client.exchange.duration')).toMatchObject([
      {
        value: { count: 1 },
        attributes: {
          'valetkey.connector': 'c',
          'valetkey.identity.source': 'the identity option',
          'valetkey.exchange.background': false,
        },
      },
    ])
    expect(spans.getFinishedSpans()).toEqual([])
  })

  it('registered after the first call is used from the next exchange on, and no longer when it is gone', async () => {
    const client = testContext({ fetch: countingFetch(), identity: 'me' })
    await getTokenIn(client, 'early', app, undefined)
    register({ traces: true, metrics: true })
    await getTokenIn(client, 'late', app, undefined)
    expect(named('valetkey.exchange').map(({ attributes }) => attributes['valetkey.connector'])).toEqual([
      'late',
    ])
    expect(observer.tell).toBeTypeOf('function')
    trace.disable()
    metrics.disable()
    await getTokenIn(client, 'after', app, undefined)
    expect(observer.tell).toBeUndefined()
    expect(named('valetkey.exchange')).toHaveLength(1)
  })

  it.each(['startActiveSpan', 'inject', 'end'])('that throws in %s fails no call', async (where) => {
    register({ traces: true, metrics: false })
    const fault = (): never => {
      throw new Error('telemetry is broken')
    }
    if (where === 'inject') {
      propagation.disable()
      propagation.setGlobalPropagator({ inject: fault, extract: (active) => active, fields: () => [] })
    } else {
      trace.disable()
      const span = Object.assign(
        Object.create(trace.wrapSpanContext({ traceId: '1', spanId: '1', traceFlags: 0 })),
        {
          end: fault,
        },
      )
      trace.setGlobalTracerProvider({
        getTracer: () => ({
          startSpan: () => span,
          startActiveSpan: (...args: readonly unknown[]) =>
            where === 'end' ? (args.at(-1) as (given: unknown) => never)(span) : fault(),
        }),
      })
    }
    const fetch = countingFetch()
    expect(await getTokenIn(testContext({ fetch, identity: 'me' }), 'c', app, undefined)).toBe('token-1')
    expect(fetch.seen).toHaveLength(1)
  })
})
