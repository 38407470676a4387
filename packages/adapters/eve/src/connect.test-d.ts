import type { Client } from '@valetkey/sdk'
import {
  type AuthorizationDefinition,
  type ConnectionAuthProvider,
  defineMcpClientConnection,
  defineOpenAPIConnection,
  type InteractiveAuthorizationDefinition,
  type NonInteractiveAuthorizationDefinition,
} from 'eve/connections'
import { expectTypeOf } from 'vitest'
import {
  type AppAuthorization,
  type ConnectAuthorizationOptions,
  connect,
  type UserAuthorization,
} from './index.ts'

// eve takes both without a cast.
expectTypeOf<UserAuthorization>().toExtend<InteractiveAuthorizationDefinition>()
expectTypeOf<AppAuthorization>().toExtend<NonInteractiveAuthorizationDefinition>()
expectTypeOf<UserAuthorization | AppAuthorization>().toExtend<AuthorizationDefinition>()
expectTypeOf<UserAuthorization | AppAuthorization>().toExtend<ConnectionAuthProvider>()
expectTypeOf(
  defineMcpClientConnection({ url: 'https://mcp.example', description: '', auth: connect('linear/mybot') }),
).toBeObject()
expectTypeOf(
  defineOpenAPIConnection({
    spec: 'https://api.example/openapi.json',
    description: '',
    auth: connect({ connector: 'linear/mybot', principalType: 'app' }),
  }),
).toBeObject()

// The kind of principal says which one it is.
expectTypeOf(connect('linear/mybot')).toEqualTypeOf<UserAuthorization>()
expectTypeOf(connect({ connector: 'linear/mybot' })).toEqualTypeOf<UserAuthorization>()
expectTypeOf(connect({ connector: 'linear/mybot', principalType: 'user' })).toEqualTypeOf<UserAuthorization>()
expectTypeOf(connect({ connector: 'linear/mybot', principalType: 'app' })).toEqualTypeOf<AppAuthorization>()

// What `createClient` returns is taken.
expectTypeOf<Client>().toExtend<NonNullable<ConnectAuthorizationOptions['client']>>()
