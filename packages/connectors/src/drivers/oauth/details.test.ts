import { expect, test } from 'vitest'
import { InvalidSettings } from '../../driver.ts'
import { holdAnyDetail, normalizeAnyDetail } from './details.ts'

const ceiling = { type: 'payment', actions: ['read', 'list'], account: { id: 'a', bank: 'b' } }

test('one order of members is one detail', () => {
  const mixed = { account: { id: 'a', bank: 'b' }, type: 'payment', actions: ['read'] }
  const sorted = { type: 'payment', actions: ['read'], account: { bank: 'b', id: 'a' } }
  expect(JSON.stringify(normalizeAnyDetail(mixed))).toBe(JSON.stringify(normalizeAnyDetail(sorted)))
})

test('a shorter list is within, and what is left out is the ceiling’s', () => {
  expect(holdAnyDetail({ type: 'payment', actions: ['read'] }, ceiling)).toEqual({
    within: true,
    detail: { ...ceiling, actions: ['read'] },
  })
})

test.each([
  [{ actions: ['read', 'write'] }, 'actions'],
  [{ actions: [] }, 'actions'],
  [{ account: { id: 'a', bank: 'b', more: 1 } }, 'account'],
  [{ account: { id: 'z', bank: 'b' } }, 'account'],
  [{ amount: 1 }, 'amount'],
  [JSON.parse('{"__proto__": {"x": 1}}'), '__proto__'],
])('%j exceeds, by its name', (change, part) => {
  const held = holdAnyDetail({ type: 'payment', ...change }, ceiling)
  expect(held).toMatchObject({ within: false })
  expect(JSON.stringify(held)).toContain(part)
})

test('one nested without end is refused', () => {
  const deep = JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`)
  expect(() => normalizeAnyDetail({ type: 'x', deep })).toThrow(InvalidSettings)
})
