import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Log } from '../log.ts'
import { exportTraces } from './export-traces.ts'

const logged: string[] = []
const log: Log = (level, message, fields = {}) =>
  void logged.push(`${level} ${message} ${JSON.stringify(fields)}`)

afterEach(() => {
  vi.unstubAllEnvs()
  logged.length = 0
})

describe('the export of traces', () => {
  it.each([
    {},
    { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' },
    { OTEL_SDK_DISABLED: 'TRUE', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' },
  ])('is off with %o', async (variables) => {
    expect(await exportTraces(variables, log)).toBeUndefined()
  })

  it.each([
    [{ OTEL_TRACES_EXPORTER: 'console' }, 'OTEL_TRACES_EXPORTER'],
    [{ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'not-an-address' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  ])('is refused with %o', async (variables, name) => {
    await expect(exportTraces(variables, log)).rejects.toThrow(name)
  })

  it('that reaches nobody says so, and does not hold up the end', async () => {
    // Takes connections and answers nothing.
    const collector = createServer(() => {})
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
    const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint)
    const traces = await exportTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, log)
    traces?.provider.getTracer('test').startSpan('span').end()
    const startedAtMs = performance.now()
    await traces?.close()
    expect(performance.now() - startedAtMs).toBeLessThan(5_000)
    expect(logged.at(-1)).toBe('warn the last traces were not exported {"reason":"late"}')
    collector.closeAllConnections()
    await new Promise((resolve) => collector.close(resolve))
  })
})
