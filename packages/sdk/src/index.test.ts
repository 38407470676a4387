import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as sdk from './index.ts'

it('exports exactly these values', () => {
  expect(Object.keys(sdk).sort()).toEqual([
    'ConnectError',
    'ConnectorInstallationRequiredError',
    'NoValidTokenError',
    'UserAuthorizationRequiredError',
    'createClient',
    'deleteTokenCacheEntry',
    'getConnectorMetadata',
    'getToken',
    'getTokenResponse',
    'isConnectError',
    'revokeToken',
  ])
})

it('has exactly these entries, and depends on the protocol alone', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(Object.keys(manifest.exports)).toEqual(['.'])
  expect(Object.keys(manifest.dependencies)).toEqual(['@valetkey/protocol'])
})

it('binds in a client what it exports as functions', () => {
  const client = sdk.createClient({ url: 'https://broker.example' })
  const functions = [
    'deleteTokenCacheEntry',
    'getConnectorMetadata',
    'getToken',
    'getTokenResponse',
    'revokeToken',
  ]
  expect(Object.keys(client).sort()).toEqual(functions)
})
