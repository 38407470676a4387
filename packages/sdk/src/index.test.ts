import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as identity from './identity/index.ts'
import * as sdk from './index.ts'
import * as telemetry from './telemetry/index.ts'
import * as tokenExchange from './token-exchange/index.ts'
import * as webhooks from './webhooks/index.ts'

it('exports exactly these values', () => {
  expect(Object.keys(sdk).sort()).toEqual([
    'ConnectError',
    'ConnectorInstallationRequiredError',
    'NoValidTokenError',
    'UserAuthorizationRequiredError',
    'completeAuthorization',
    'createClient',
    'createFetch',
    'deleteTokenCacheEntry',
    'getConnectorMetadata',
    'getToken',
    'getTokenResponse',
    'isConnectError',
    'revokeToken',
    'startAuthorization',
    'startInstallation',
    'waitForAuthorization',
  ])
  expect(Object.keys(identity)).toEqual(['reportIdentity'])
  expect(Object.keys(telemetry)).toEqual(['enableOpenTelemetry'])
  expect(Object.keys(tokenExchange)).toEqual(['tokenExchange'])
  expect(Object.keys(webhooks)).toEqual(['verifyWebhook'])
})

it('has exactly these entries, and depends on the protocol, for webhooks on jose, for token exchange on openid-client', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(Object.keys(manifest.exports)).toEqual([
    '.',
    './identity',
    './opentelemetry',
    './sign-in',
    './token-exchange',
    './webhooks',
  ])
  expect(Object.keys(manifest.dependencies)).toEqual(['@valetkey/protocol', 'jose', 'openid-client'])
})

it('binds in a client what it exports as functions', () => {
  const client = sdk.createClient({ url: 'https://broker.example' })
  const functions = [
    'completeAuthorization',
    'createFetch',
    'deleteTokenCacheEntry',
    'getConnectorMetadata',
    'getToken',
    'getTokenResponse',
    'revokeToken',
    'startAuthorization',
    'startInstallation',
    'waitForAuthorization',
  ]
  expect(Object.keys(client).sort()).toEqual(functions)
})
