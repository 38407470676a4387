import { setTimeout } from 'node:timers/promises'
import { context, propagation, type TracerProvider } from '@opentelemetry/api'
import type { Log } from '../log.ts'
import { type Variables, variable } from './environment.ts'
import { HostError } from './host-error.ts'

/** Traces on their way to a collector. */
export interface TraceExport {
  readonly provider: TracerProvider
  /** Sends what waits and stops. */
  close(): Promise<void>
}

/**
 * Exports traces by OTLP over HTTP when the environment asks for it: `OTEL_TRACES_EXPORTER=otlp`, or an endpoint in
 * `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. Undefined otherwise, and with
 * `OTEL_SDK_DISABLED=true`; nothing of OpenTelemetry's SDK is loaded then.
 *
 * The other `OTEL_*` variables (headers, sampler, batches, resource) mean what the OpenTelemetry specification says.
 *
 * @throws {HostError} for an exporter or protocol that there is not.
 */
export async function exportTraces(variables: Variables, log: Log): Promise<TraceExport | undefined> {
  if (!isAskedFor(variables)) return undefined
  for (const name of endpointNames) checkEndpoint(variables, name)
  const protocol =
    variable(variables, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ??
    variable(variables, 'OTEL_EXPORTER_OTLP_PROTOCOL')
  if (protocol === 'grpc') {
    throw new HostError(
      'misuse',
      'OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent over HTTP only; set it to http/json, and the endpoint to the collector’s HTTP port (4318)',
    )
  }
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, resources, core, contexts] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/core'),
      import('@opentelemetry/context-async-hooks'),
    ])
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = resources
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'valetkey' }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  })
  core.setGlobalErrorHandler(reportSeldom(log))
  const contextManager = new contexts.AsyncLocalStorageContextManager().enable()
  context.setGlobalContextManager(contextManager)
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator())
  log('info', 'traces are exported', {})
  return {
    provider,
    async close() {
      context.disable()
      propagation.disable()
      // A collector that is away must not hold up the end of the process: containers are killed after ten seconds.
      const late = setTimeout(closeWithinMs, 'late', { ref: false })
      const outcome = await Promise.race([provider.shutdown().catch(reasonOf), late])
      core.setGlobalErrorHandler(core.loggingErrorHandler())
      if (outcome !== undefined) log('warn', 'the last traces were not exported', { reason: outcome })
    },
  }
}

const closeWithinMs = 3_000
const reportEveryMs = 60_000

/** Says that traces do not arrive, once a minute at most. */
function reportSeldom(log: Log): (error: unknown) => void {
  let reportedAtMs = Number.NEGATIVE_INFINITY
  return (error) => {
    const nowMs = performance.now()
    if (nowMs - reportedAtMs < reportEveryMs) return
    reportedAtMs = nowMs
    log('warn', 'traces were not exported', { reason: reasonOf(error) })
  }
}

/** What may be said of an exporter's error: its code, or its class. Messages quote addresses, which may hold a password. */
function reasonOf(error: unknown): string {
  const { code, name } = (typeof error === 'object' && error !== null ? error : {}) as {
    readonly code?: unknown
    readonly name?: unknown
  }
  const known = [code, name].find(
    (each) => typeof each === 'number' || (typeof each === 'string' && each !== ''),
  )
  return String(known ?? 'unknown')
}

function checkEndpoint(variables: Variables, name: string): void {
  const endpoint = variable(variables, name)
  if (endpoint !== undefined && !/^https?:\/\//.test(endpoint)) {
    throw new HostError('misuse', `${name} must be an http or https URL, such as http://127.0.0.1:4318`)
  }
}

const endpointNames = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] as const

function isAskedFor(variables: Variables): boolean {
  if (variable(variables, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false
  const exporter = variable(variables, 'OTEL_TRACES_EXPORTER')
  if (exporter === 'none') return false
  if (exporter !== undefined && exporter !== 'otlp') {
    throw new HostError('misuse', 'OTEL_TRACES_EXPORTER must be otlp or none')
  }
  return exporter === 'otlp' || endpointNames.some((name) => variable(variables, name) !== undefined)
}
