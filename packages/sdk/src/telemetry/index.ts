import { context, metrics, propagation, trace } from '@opentelemetry/api'
import { useOpenTelemetry } from './telemetry.ts'

/**
 * Records spans and metrics with the application's OpenTelemetry SDK.
 *
 * Needed only where a bundler put `@opentelemetry/api` into the application's own files: elsewhere it is found by itself
 * as soon as an OpenTelemetry SDK is registered. Call it once, at any time.
 *
 * @see https://github.com/open-telemetry/opentelemetry-js
 */
export function enableOpenTelemetry(): void {
  useOpenTelemetry({ context, metrics, propagation, trace })
}
