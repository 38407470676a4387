import { type Client, createClient } from '@valetkey/sdk'

export const valetkey: Client = createClient({
  url: 'https://broker.example',
  identity: ({ audience }) => identityFor(audience),
  cache: { maxEntries: 1000 },
  timeoutMs: 5000,
  onEvent(event) {
    if (event.type === 'exchange_finished' && event.code !== undefined) report(event.connector, event.code)
  },
})

declare function identityFor(audience: string): Promise<string>
declare function report(connector: string, code: string): void
