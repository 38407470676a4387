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
  const contextManager = new contexts.AsyncLocalStorageContextManager().enable()
  context.setGlobalContextManager(contextManager)
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator())
  log('info', 'traces are exported', {})
  return {
    provider,
    async close() {
      context.disable()
      propagation.disable()
      try {
        await provider.shutdown()
      } catch (error) {
        log('warn', 'the last traces were not exported', {
          reason: error instanceof Error ? error.name : 'unknown',
        })
      }
    },
  }
}

function isAskedFor(variables: Variables): boolean {
  if (variable(variables, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false
  const exporter = variable(variables, 'OTEL_TRACES_EXPORTER')
  if (exporter === 'none') return false
  if (exporter !== undefined && exporter !== 'otlp') {
    throw new HostError('misuse', 'OTEL_TRACES_EXPORTER must be otlp or none')
  }
  return (
    exporter === 'otlp' ||
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'].some(
      (name) => variable(variables, name) !== undefined,
    )
  )
}
