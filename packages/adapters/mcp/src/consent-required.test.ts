import { inspect } from 'node:util'
import { isConnectError } from '@valetkey/sdk'
import { describe, expect, it, vi } from 'vitest'
import {
  type ConsentChallenge,
  ConsentRequiredError,
  getConsentChallenge,
  isConsentRequiredError,
} from './consent-required.ts'

const challenge: ConsentChallenge = {
  connector: 'linear/mybot',
  subject: { type: 'user', id: 'ann' },
  url: 'https://broker.example/consent/ask_1',
  request: 'ask_1',
  verifier: 'the-secret-verifier',
  deviceCode: 'ABCD-EFGH',
  verificationUri: 'https://broker.example/device',
  expiresAt: 1_800_000_000_000,
}

describe('ConsentRequiredError', () => {
  it('carries the challenge whole, and is an error of the SDK that retrying does not help', () => {
    const error = new ConsentRequiredError(challenge)
    const { verifier, ...shown } = challenge
    expect(error.challenge).toEqual(shown)
    expect(error.challenge.verifier).toBe(verifier)
    expect(isConnectError(error)).toBe(true)
    expect(error).toMatchObject({
      name: 'ConsentRequiredError',
      code: 'user_authorization_required',
      retryable: false,
      connector: 'linear/mybot',
    })
  })

  it('S26 shows the verifier to whoever reads it, and to nobody who prints, copies or serializes', () => {
    const error = new ConsentRequiredError(challenge)
    for (const value of [error, error.challenge]) {
      const shown = [
        String(value),
        JSON.stringify(value),
        JSON.stringify({ ...value }),
        inspect(value, { depth: 9 }),
        inspect(value, { depth: 9, showHidden: true }),
        JSON.stringify(structuredClone(value)),
        error.stack,
      ]
      expect(shown.join('\n')).not.toContain(challenge.verifier)
    }
  })

  it('shows what the challenge holds by itself too, as code moved from @vercel/connect reads it', () => {
    const { subject, url, request, verifier, deviceCode, expiresAt } = new ConsentRequiredError(challenge)
    expect({ subject, url, request, verifier, deviceCode, expiresAt }).toEqual({
      subject: challenge.subject,
      url: challenge.url,
      request: challenge.request,
      verifier: challenge.verifier,
      deviceCode: challenge.deviceCode,
      expiresAt: challenge.expiresAt,
    })
  })

  it('does not change when the challenge it was made of does', () => {
    const own = { ...challenge }
    const error = new ConsentRequiredError(own)
    own.url = 'https://elsewhere.example'
    expect(error.challenge.url).toBe(challenge.url)
    expect(() => Object.assign(error.challenge, own)).toThrow(TypeError)
  })
})

describe('isConsentRequiredError', () => {
  it('knows one of another copy of the package', async () => {
    vi.resetModules()
    const copy = await import('./consent-required.ts')
    const error = new copy.ConsentRequiredError(challenge)
    expect(error).not.toBeInstanceOf(ConsentRequiredError)
    expect(isConsentRequiredError(error)).toBe(true)
    expect(getConsentChallenge(error)?.verifier).toBe(challenge.verifier)
  })

  it('is false for everything else, however it behaves', () => {
    const named = Object.assign(new Error(), { name: 'ConsentRequiredError', challenge })
    for (const value of [named, { challenge }, undefined, null, 'text', hostile()])
      expect(isConsentRequiredError(value)).toBe(false)
  })
})

describe('getConsentChallenge', () => {
  it('finds it among causes and gathered errors', () => {
    const error = new ConsentRequiredError(challenge)
    const wrapped = new Error('tool', { cause: new Error('transport', { cause: error }) })
    for (const value of [error, wrapped, new AggregateError([new Error('other'), wrapped])])
      expect(getConsentChallenge(value)).toBe(error.challenge)
    expect(getConsentChallenge(new Error('none'))).toBeUndefined()
    expect(getConsentChallenge('text')).toBeUndefined()
  })

  it('ends with causes that go round, never end, or throw when read', () => {
    const round = new Error('round')
    round.cause = new AggregateError([round])
    expect(getConsentChallenge(round)).toBeUndefined()
    class Endless extends Error {
      override get cause(): unknown {
        return new Endless()
      }
    }
    expect(getConsentChallenge(new Endless())).toBeUndefined()
    expect(getConsentChallenge(hostile())).toBeUndefined()
    expect(getConsentChallenge(new Error('outer', { cause: hostile() }))).toBeUndefined()
  })
})

function hostile(): object {
  const fail = (): never => {
    throw new Error('Read')
  }
  return new Proxy({}, { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail })
}
