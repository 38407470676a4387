import type { createMCPClient, OAuthClientProvider as OfAiSdk } from '@ai-sdk/mcp'
import type {
  OAuthClientProvider as OfClient,
  SSEClientTransportOptions as Sse2,
  StreamableHTTPClientTransportOptions as Streamable2,
} from '@modelcontextprotocol/client'
import type { OAuthClientProvider as OfSdk } from '@modelcontextprotocol/sdk/client/auth.js'
import type { SSEClientTransportOptions as Sse1 } from '@modelcontextprotocol/sdk/client/sse.js'
import type { StreamableHTTPClientTransportOptions as Streamable1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Client } from '@valetkey/sdk'
import { expectTypeOf } from 'vitest'
import type {
  ConnectAuthProvider,
  ConnectAuthProviderOptions,
  ConnectedTransport,
  ConnectTransportOptions,
  ConsentOptions,
} from './index.ts'

// Each client takes what is returned, without a cast.
expectTypeOf<ConnectAuthProvider>().toExtend<OfSdk>()
expectTypeOf<ConnectAuthProvider>().toExtend<OfClient>()
expectTypeOf<ConnectAuthProvider>().toExtend<OfAiSdk>()
expectTypeOf<ConnectedTransport>().toExtend<Streamable1>()
expectTypeOf<ConnectedTransport>().toExtend<Sse1>()
expectTypeOf<ConnectedTransport>().toExtend<Streamable2>()
expectTypeOf<ConnectedTransport>().toExtend<Sse2>()
expectTypeOf<ConnectedTransport & { type: 'http'; url: string }>().toExtend<
  Parameters<typeof createMCPClient>[0]['transport']
>()

// What `createClient` returns is taken everywhere.
expectTypeOf<Client>().toExtend<NonNullable<ConnectAuthProviderOptions['client']>>()
expectTypeOf<Client>().toExtend<NonNullable<ConnectTransportOptions['client']>>()
expectTypeOf<Client>().toExtend<NonNullable<ConsentOptions['client']>>()
