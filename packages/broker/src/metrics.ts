import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'

/** What `/metrics` shows. */
export interface Metrics {
  /** Token requests by outcome: `issued`, or the code they were refused with. */
  tokenRequest(outcome: string, served: 'stored' | 'minted' | 'none'): void
  /** Calls to providers, by service, what for, and how they ended. */
  providerCall(
    service: string,
    operation: 'mint' | 'refresh' | 'revoke' | 'check',
    outcome: 'ok' | 'refused' | 'fault',
  ): void
  /** HTTP answers by route pattern. */
  httpAnswer(route: string, status: number, seconds: number): void
  /** The Prometheus text format. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>
}

/** A registry of its own for each broker, so that two in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const tokenRequests = new Counter({
    name: 'valetkey_token_requests_total',
    help: 'Token requests by outcome, and whether a stored token was served or one was minted',
    labelNames: ['outcome', 'served'],
    registers: [registry],
  })
  const providerCalls = new Counter({
    name: 'valetkey_provider_calls_total',
    help: 'Calls to providers by service, operation and outcome',
    labelNames: ['service', 'operation', 'outcome'],
    registers: [registry],
  })
  const httpAnswers = new Histogram({
    name: 'valetkey_http_request_duration_seconds',
    help: 'Time to answer HTTP requests by route and status',
    labelNames: ['route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })
  return {
    tokenRequest: (outcome, served) => tokenRequests.inc({ outcome, served }),
    providerCall: (service, operation, outcome) => providerCalls.inc({ service, operation, outcome }),
    httpAnswer: (route, status, seconds) => httpAnswers.observe({ route, status: String(status) }, seconds),
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  }
}
