import { expect, it } from 'vitest'
import { mockIssuingPoint } from './mock-issuing-point.ts'
import type { MockIssuingPointOptions } from './types.ts'

it.each([
  ['options has no "token"', { token: {} }],
  ['options must be an object', null],
  ['url must be', { url: 'http://broker.example' }],
  ['url must be', { url: 'https://user:secret@broker.example' }],
  ['url must be', { url: 'https://broker.example/?' }],
  ['tokens must be', { tokens: ['x'] }],
  ['tokens["a/b"] must be', { tokens: { 'a/b': '' } }],
  ['tokens["a/b"] must be', { tokens: { 'a/b': { expiresAt: 1 } } }],
  ['each name in tokens must be', { tokens: { '': 'x' } }],
  ['consent["a/b"] must be', { consent: { 'a/b': true } }],
  ['failures must be', { failures: 'hang' }],
  ['failures[0].code must be', { failures: ['timeout'] }],
  ['failures[0].code must be', { failures: ['constructor'] }],
  ['failures[0] has no "after"', { failures: [{ code: 'hang', after: 1 }] }],
  ['failures[1].times must be', { failures: ['hang', { code: 'hang', times: 0 }] }],
  ['failures[0].retryAfterSeconds must be', { failures: [{ code: 'hang', retryAfterSeconds: 0.5 }] }],
  ['failures[0].connector must be', { failures: [{ code: 'hang', connector: '' }] }],
  ['now must be', { now: 1 }],
])('an option that is wrong is named, and its value is not repeated: %s', (what, options) => {
  const make = () => mockIssuingPoint(options as MockIssuingPointOptions)
  expect(make).toThrow(TypeError)
  expect(make).toThrow(what)
  expect(make).not.toThrow(/secret|broker\.example/)
})

it('an option that is undefined is absent', () => {
  const options = {
    url: undefined,
    tokens: undefined,
    consent: undefined,
    failures: undefined,
    now: undefined,
  }
  expect(mockIssuingPoint(options as never).url).toBe('https://valetkey.test')
})

it('a trailing slash of the url does not matter', () => {
  expect(mockIssuingPoint({ url: 'http://localhost:4570/' }).environment.VALETKEY_URL).toBe(
    'http://localhost:4570',
  )
})

it('options are copied: what is changed afterwards changes nothing', () => {
  const tokens: Record<string, string> = { 'a/b': 'x' }
  const mock = mockIssuingPoint({ tokens })
  tokens['a/c'] = 'y'
  expect(() => mock.fail({ code: 'hang', connector: 'a/c' })).not.toThrow()
  expect(() => mock.fail('unknown' as never)).toThrow('failures[0].code')
})

it('nobody consents to what nobody asked for', () => {
  expect(() => mockIssuingPoint().consent()).toThrow('No such consent request')
  expect(() => mockIssuingPoint().deny('ask_1')).toThrow('No such consent request')
})
