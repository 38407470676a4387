import { expect, test } from 'vitest'
import type { DriverBehaviour, MintRequest } from './driver.ts'
import { quoted, refuseUnsupported } from './refusal.ts'
import { appRequest } from './test-server.ts'

const nothing: DriverBehaviour = {
  subjects: ['app'],
  narrows: {
    scopes: false,
    resources: false,
    audience: false,
    authorizationDetails: [],
    installationId: false,
  },
  standing: false,
  callsProvider: false,
  revokesTokens: false,
}
const everything: DriverBehaviour = {
  ...nothing,
  subjects: ['app', 'user'],
  narrows: {
    scopes: true,
    resources: true,
    audience: true,
    authorizationDetails: ['a'],
    installationId: true,
  },
}

test.each([
  [{ subject: { type: 'user', id: 'u1' } }, 'the subject type user'],
  [{ scopes: ['x'] }, 'scopes'],
  [{ resources: ['x'] }, 'resources'],
  [{ audience: ['x'] }, 'audience'],
  [{ installationId: '' }, 'installationId'],
  [{ authorizationDetails: [{ type: 'a' }] }, 'authorizationDetails'],
] satisfies [Partial<MintRequest>, string][])(
  'a part that the behaviour does not name is refused: %j',
  (part, name) => {
    expect(refuseUnsupported(nothing, appRequest(part))).toEqual({
      outcome: 'refused',
      reason: 'invalid_request',
      message: `This connector does not support ${name} in a request`,
    })
    expect(refuseUnsupported(everything, appRequest(part))).toBeUndefined()
  },
)

test('one detail of an unknown type among known ones is refused', () => {
  const authorizationDetails = [{ type: 'a' }, { type: 'b' }]
  expect(refuseUnsupported(everything, appRequest({ authorizationDetails }))?.message).toBe(
    'This connector does not support authorizationDetails other than of type a in a request',
  )
})

test.each(['', 'a b', 'a\n', 'é', 'x'.repeat(121)])('does not quote %j', (word) => {
  expect(quoted(word)).toBe('(not shown)')
})
