import { cpSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { type RunningBroker, startServer } from '@valetkey/broker/host'
import { createClient } from '@valetkey/sdk'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'

/** A span as OTLP carries it in JSON. */
interface ExportedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[]
}

const received: { readonly service: unknown; readonly span: ExportedSpan }[] = []
let bodies = ''
let dataDir: string
let collector: Server
let broker: RunningBroker
let owner: string

/** A collector, as OpenTelemetry's protocol has it: `POST /v1/traces`. */
beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      bodies += body
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans)
        for (const { spans } of scopeSpans)
          for (const span of spans)
            received.push({
              service: resource.attributes.find(({ key }: { key: string }) => key === 'service.name')?.value
                .stringValue,
              span,
            })
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  // The exporter reads its own variables from the process, as it does in a server.
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint)
  vi.stubEnv('OTEL_SERVICE_NAME', 'issuing-point')
  const { folder, keys, owner: token } = JSON.parse(process.env.VALETKEY_TEST_OWNED_DATABASE ?? '{}')
  dataDir = await mkdtemp(join(tmpdir(), 'valetkey-conformance-'))
  cpSync(folder, dataDir, { recursive: true })
  owner = token
  const environment = { PORT: '0', VALETKEY_KEYS: keys, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }
  broker = await startServer({ environment, dataDir, log: () => {} })
})

afterAll(async () => {
  await rm(dataDir, { recursive: true })
  vi.unstubAllEnvs()
  trace.disable()
  await new Promise((resolve) => collector.close(resolve))
})

async function manage(path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(`${broker.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${owner}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()) as Readonly<Record<string, unknown>>
}

it('S26 a token request is one trace, from the agent through the SDK to the steps of the broker', async () => {
  const project = await manage('/v1/projects', { name: 'shop' })
  await manage('/v1/connect/connectors', {
    service: 'api-key',
    name: 'search',
    data: { values: [{ value: 'key-secret' }], serviceUrls: ['https://search.example'] },
  })
  await manage('/v1/connect/connectors/api-key%2Fsearch/projects/shop', {
    environments: ['production'],
  })
  const { token } = await manage('/v1/access-tokens', {
    project: project.id,
    environment: 'production',
  })

  // The broker's start registered context manager and propagator of this process, which the agent shares here.
  const spans = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
  const client = createClient({ url: broker.url, identity: String(token) })
  const subject = { type: 'app' } as const
  await trace.getTracer('app').startActiveSpan('agent', async (agent) => {
    await client.getToken('api-key/search', { subject })
    await client.getToken('api-key/absent', { subject }).catch(() => undefined)
    agent.end()
  })
  await broker.close()

  const sent = spans.getFinishedSpans()
  const traceId = sent.find(({ name }) => name === 'agent')?.spanContext().traceId
  const calls = sent.filter(({ name }) => name === 'valetkey.call').map((span) => span.spanContext().spanId)
  const requests = received.filter(({ span }) => span.name === 'POST /v1/connect/token/:connector')
  expect(requests.map(({ span }) => [span.traceId, span.parentSpanId])).toEqual(
    calls.map((spanId) => [traceId, spanId]),
  )
  expect(requests.map(({ service }) => service)).toEqual(['issuing-point', 'issuing-point'])
  const stepsOf = (index: number): unknown =>
    received
      .filter(({ span }) => span.parentSpanId === requests[index]?.span.spanId)
      .map(({ span }) => span.name)
  expect([stepsOf(0), stepsOf(1)]).toEqual([['valetkey.admit', 'valetkey.audit'], ['valetkey.admit']])
  // Neither credentials nor names of anybody's connectors.
  for (const secret of ['key-secret', String(token), 'api-key/search']) expect(bodies).not.toContain(secret)
})
