import { expect, it } from 'vitest'
import { errorThrownBy } from '../test-support/fakes.ts'
import { readPerson } from './read-person.ts'

it('reads what the gateway vouches for', () => {
  const claims = {
    sub: 'person-1',
    email: 'ann@example.com',
    email_verified: true,
    name: 'Ann',
    picture: 'https://pictures.example/ann.png',
    iss: 'https://broker.example',
  }
  expect(readPerson(claims)).toEqual({
    sub: 'person-1',
    email: 'ann@example.com',
    emailVerified: true,
    name: 'Ann',
    picture: 'https://pictures.example/ann.png',
  })
})

it.each([false, 'true', 1, null, undefined])(
  'takes an address with email_verified %j for unproven',
  (said) => {
    expect(readPerson({ sub: 'a', email: 'ann@example.com', email_verified: said }).emailVerified).toBe(false)
  },
)

it('knows no address to be proven where there is none', () => {
  expect(readPerson({ sub: 'a', email_verified: true })).toEqual({ sub: 'a', emailVerified: false })
})

it('leaves out what is not text, and a picture that is no web address', () => {
  expect(readPerson({ sub: 'a', email: 1, name: {}, picture: 'javascript:alert(1)' })).toEqual({
    sub: 'a',
    emailVerified: false,
  })
})

it.each([undefined, null, 'text', [], {}, { sub: '' }, { sub: 7 }])(
  'refuses claims that name nobody: %j',
  (claims) => {
    expect(errorThrownBy(() => readPerson(claims)).code).toBe('invalid_response')
  },
)
