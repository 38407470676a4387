import { describe, expect, it } from 'vitest'
import { errorThrownBy } from '../test-support/fakes.ts'
import { checkCallOptions } from './call-options.ts'

describe('options', () => {
  it('are all known by name and copied', () => {
    const signal = new AbortController().signal
    const waitUntil = (): void => {}
    const identityToken = (): string => 'x'
    const options = {
      identityToken,
      signal,
      timeoutMs: 5,
      forceRefresh: true,
      region: 'sfo1',
      waitUntil,
      context: { toolCallId: 'call_1' },
    }
    expect(checkCallOptions(Object.freeze(options))).toEqual({
      identity: identityToken,
      signal,
      timeoutMs: 5,
      forceRefresh: true,
      region: 'sfo1',
      waitUntil,
      toolCallId: 'call_1',
    })
    expect(checkCallOptions({ vercelToken: 'v' }).identity).toBe('v')
    expect(checkCallOptions({ identityToken: undefined, vercelToken: 'v' }).identity).toBe('v')
  })

  it.each([
    ['an unknown key', { identity: 'secret-value' }, '"identity"'],
    ['a misspelt key', { timeout: 'secret-value' }, '"timeout"'],
    [
      'both names of the identity',
      { identityToken: 'secret-value', vercelToken: 'secret-value' },
      'vercelToken',
    ],
    ['an empty identity', { identityToken: '' }, 'identityToken'],
    ['an oversized identity', { identityToken: 'x'.repeat(16_385) }, 'identityToken'],
    ['an identity of another type', { identityToken: 1 }, 'identityToken'],
    ['a signal that is none', { signal: { aborted: false } }, 'signal'],
    ['a timeout of zero', { timeoutMs: 0 }, 'timeoutMs'],
    ['a timeout that no timer can wait', { timeoutMs: 2 ** 31 }, 'timeoutMs'],
    ['forceRefresh that is not a boolean', { forceRefresh: 'secret-value' }, 'forceRefresh'],
    ['a region that would change the host', { region: 'x.evil.example/' }, 'region'],
    ['waitUntil that is not a function', { waitUntil: 1 }, 'waitUntil'],
    ['an unknown key of the context', { context: { userId: 'secret-value' } }, '"userId"'],
    ['options that are no object', 'secret-value', 'options'],
  ])('are refused for %s, naming it and not its value', (_what, options, name) => {
    const error = errorThrownBy(() => checkCallOptions(options))
    expect(error.code).toBe('invalid_request')
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('secret-value')
  })

  it('S35 ignore what a polluted prototype adds', () => {
    const polluted = Object.prototype as Record<string, unknown>
    polluted.identityToken = 'theirs'
    try {
      expect(checkCallOptions({}).identity).toBeUndefined()
    } finally {
      delete polluted.identityToken
    }
  })
})
