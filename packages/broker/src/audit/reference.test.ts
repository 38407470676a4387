import { expect, it } from 'vitest'
import { auditReference } from './reference.ts'

it.each([
  ['connector', 'github/mybot'],
  ['connector', 'scl_BUZvCmpVs-Moq0RCyb5D'],
  ['project', 'my-agent'],
  ['project', 'prj_BUZvCmpVs-Moq0RCyb5D'],
  ['rule', 'trr_BUZvCmpVs-Moq0RCyb5D'],
  ['id', 'vat_9cbdada629d4a71d'],
])('records the %s %s as it is', (kind, value) => {
  expect(auditReference(kind, value)).toBe(value)
})

it.each([
  ['connector', 'xoxb-1234-5678-abcdef'],
  ['connector', 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln'],
  ['connector', 'a/b\nc'],
  ['project', 'vk_9cbdada629d4a71d_OSd4RzkfT_JEGx1o6zUKfe3H0DC6Ho61R2tHDZV0R_w'],
  ['id', 'vk_9cbdada629d4a71d_OSd4RzkfT_JEGx1o6zUKfe3H0DC6Ho61R2tHDZV0R_w'],
  ['unheard-of', 'github/mybot'],
])('S26 records a digest of what is no %s', (kind, value) => {
  expect(auditReference(kind, value)).toMatch(/^sha256:[0-9a-f]{64}$/)
})
