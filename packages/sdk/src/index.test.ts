import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as sdk from './index.ts'
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
  expect(Object.keys(webhooks)).toEqual(['verifyWebhook'])
})

it('has exactly these entries, and depends on the protocol and, for webhooks, on jose', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(Object.keys(manifest.exports)).toEqual(['.', './sign-in', './webhooks'])
  expect(Object.keys(manifest.dependencies)).toEqual(['@valetkey/protocol', 'jose'])
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
