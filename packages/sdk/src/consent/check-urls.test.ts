import { describe, expect, it } from 'vitest'
import { errorThrownBy } from '../test-support/fakes.ts'
import { checkCallbackUrl, checkWebhook } from './check-urls.ts'

describe('a callback URL', () => {
  it.each([
    'https://app.example',
    'https://app.example/callback?a=b&c=%40d',
    'https://app.example:8443/a@b',
    'HTTPS://App.Example/',
    'http://localhost:3000/cb',
    'http://myapp.localhost/cb',
    'http://127.0.0.1/cb',
    'http://[::1]:3000/cb',
  ])('may be %s, and travels as it is', (url) => {
    expect(checkCallbackUrl(url, 'callbackUrl')).toBe(url)
  })

  it.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'custom-app://callback',
    'http://app.example/',
    'http://localhost.evil.example/',
    'http://127.0.0.1.evil.example/',
    'http://10.0.0.1/',
    'https:app.example',
    'https:/app.example',
    'https:///app.example',
    '//app.example',
    '/callback',
    'https://user@app.example/',
    'https://user:password@app.example/',
    'https://@app.example/',
    'https://app.example@evil.example/',
    'https://app.example\\@evil.example/',
    'https://app.example/\\evil',
    'https://app.example/#fragment',
    'https://app.example/#',
    'https://app.example/a b',
    'https://app.example/\n',
    '\thttps://app.example/',
    'ht\ntps://app.example/',
    'https://app.example/\u0000',
    'https://app.example/\u007f',
    'https://app.example/\u0085',
    'https://',
    '',
    `https://app.example/${'x'.repeat(2048)}`,
  ])('S05 is never %j', (url) => {
    const error = errorThrownBy(() => checkCallbackUrl(url, 'callbackUrl'))
    expect([error.code, error.message.startsWith('callbackUrl must be')]).toEqual(['invalid_request', true])
    if (url.length > 20) expect(error.message).not.toContain(url)
  })
})

describe('a webhook', () => {
  it('is https; on loopback it may be http where the issuing point is on loopback', () => {
    const local = 'http://localhost:3000/hook'
    expect(checkWebhook('https://app.example/hook', 'webhook', undefined)).toBe('https://app.example/hook')
    expect(checkWebhook(local, 'webhook', 'http://127.0.0.1:4570')).toBe(local)
    for (const origin of [undefined, 'https://broker.example', 'https://localhost.evil.example'])
      expect(errorThrownBy(() => checkWebhook(local, 'webhook', origin)).code).toBe('invalid_request')
    const remote = 'http://app.example/hook'
    expect(errorThrownBy(() => checkWebhook(remote, 'webhook', 'http://127.0.0.1:4570')).code).toBe(
      'invalid_request',
    )
  })
})
