import type { Attributes } from '@opentelemetry/api'
import { observer } from '../client/events.ts'
import { importPackage } from '../import-package.ts'
import {
  createTelemetry,
  type OpenTelemetryApi,
  type SpanName,
  type Telemetry,
  type TraceHeaders,
} from './open-telemetry.ts'

/** What an application registered with `@opentelemetry/api`, which all copies of that package share. */
const registered = /* @__PURE__ */ Symbol.for('opentelemetry.js.api.1')

let known: Telemetry | undefined
let looking: Promise<void> | undefined

/**
 * What records spans and metrics, or undefined as long as the application registered no OpenTelemetry SDK: then the
 * package is not even looked for, and nothing is recorded or measured. Asked before each call to an issuing point.
 */
async function findTelemetry(): Promise<Telemetry | undefined> {
  const registry = Reflect.get(globalThis, registered) as { trace?: unknown; metrics?: unknown } | undefined
  if (registry?.metrics === undefined) observer.tell = undefined
  if (registry?.trace === undefined && registry?.metrics === undefined) return undefined
  looking ??= importPackage<OpenTelemetryApi>('@opentelemetry/api').then((api) => {
    if (isApi(api)) useOpenTelemetry(api)
  })
  if (known === undefined) await looking
  // Cached tokens are counted only where somebody collects: a counter that goes nowhere would cost as much as the token.
  if (registry.metrics !== undefined) observer.tell = known?.count
  return known
}

/**
 * Runs `work` in a span, or without one where there is no telemetry.
 *
 * @param work gets the headers of the span's trace context, none without telemetry.
 */
export async function inSpan<Result>(
  name: SpanName,
  attributes: Attributes,
  work: (headers: TraceHeaders) => Promise<Result>,
): Promise<Result> {
  const telemetry = await findTelemetry()
  return telemetry === undefined ? work({}) : telemetry.inSpan(name, attributes, work)
}

/** Records with this copy of `@opentelemetry/api` from now on. */
export function useOpenTelemetry(api: OpenTelemetryApi): void {
  known ??= createTelemetry(api)
}

function isApi(api: Partial<OpenTelemetryApi> | undefined): api is OpenTelemetryApi {
  return api?.trace !== undefined && api.metrics !== undefined && api.propagation !== undefined
}
