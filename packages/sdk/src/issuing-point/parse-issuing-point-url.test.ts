import { describe, expect, it } from 'vitest'
import { errorThrownBy } from '../test-support/fakes.ts'
import { parseIssuingPointUrl } from './parse-issuing-point-url.ts'

describe('the address of an issuing point', () => {
  it.each([
    ['https://broker.example', 'https://broker.example'],
    ['https://broker.example/', 'https://broker.example'],
    [' https://Broker.Example:443/a/b// ', 'https://broker.example/a/b'],
    ['http://127.0.0.1:4570', 'http://127.0.0.1:4570'],
    ['http://127.9.9.9', 'http://127.9.9.9'],
    ['http://[::1]:80/', 'http://[::1]'],
    ['http://localhost:1', 'http://localhost:1'],
    ['http://a.localhost', 'http://a.localhost'],
    ['http://2130706433', 'http://127.0.0.1'],
  ])('%s is %s', (text, base) => {
    expect(parseIssuingPointUrl(text, 'config.url').base).toBe(base)
  })

  it.each([
    ['http://broker.example'],
    ['http://localhost.evil.example'],
    ['http://127.0.0.1.evil.example'],
    ['http://xlocalhost'],
    ['http://0.0.0.0'],
    ['http://10.0.0.1'],
    ['ftp://localhost'],
    ['file:///etc/passwd'],
    ['https://user:hunter2@broker.example'],
    ['https://broker.example?'],
    ['https://broker.example/?x=hunter2'],
    ['https://broker.example/#'],
    ['broker.example'],
    [''],
    [7],
  ])('%s is refused without being quoted', (text) => {
    const error = errorThrownBy(() => parseIssuingPointUrl(text, 'config.url'))
    expect(error.code).toBe('invalid_request')
    expect(error.message).toContain('config.url')
    expect(error.message).not.toContain('hunter2')
  })
})
