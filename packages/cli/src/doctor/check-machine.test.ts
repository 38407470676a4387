import { describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { checkNode } from './check-machine.ts'

describe('checkNode', () => {
  it.each([
    ['20.18.1', 'ok'],
    ['20.18.2', 'ok'],
    ['20.19.0', 'ok'],
    ['22.0.0', 'ok'],
    ['26.0.0-nightly2026', 'ok'],
    ['20.18.0', 'fail'],
    ['20.17.9', 'fail'],
    ['18.20.8', 'fail'],
  ])('says of Node %s: %s', (version, status) => {
    expect(checkNode(version).status).toBe(status)
  })

  it('asks for what the package asks for', () => {
    expect(packageJson.engines.node).toBe('>=20.18.1')
    expect(checkNode('18.0.0').next).toContain('20.18.1')
  })
})
