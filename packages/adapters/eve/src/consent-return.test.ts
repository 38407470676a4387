import { describe, expect, it } from 'vitest'
import { answer, consentReturn, returnUrl } from './consent-return.ts'

const callback = '/eve/v1/connections/notes/callback/01M80/eve%3Ainbox%3A1'

function back(to: string, more: Record<string, string>): Response {
  return answer(new URLSearchParams({ to, ...more }))
}

describe('the way back from a consent', () => {
  it('leads to eve after a consent, with the request and nothing else', () => {
    const { status, headers } = back(callback, { request: 'ask_1', code: 'a-code', extra: 'x' })
    expect([status, headers.get('location')]).toEqual([303, `${callback}?request=ask_1`])
  })

  it('ends here after a denial', async () => {
    const response = back(callback, { request: 'ask_1', error: 'access_denied' })
    expect([response.status, response.headers.get('location')]).toEqual([200, null])
    expect(await response.text()).toContain('Nothing was connected')
  })

  it.each([
    'https://evil.example/eve/v1/connections/notes/callback/a/b',
    '//evil.example/eve/v1/connections/notes/callback/a/b',
    '/\\evil.example/eve/v1/connections/notes/callback/a/b',
    '/eve/v1/session',
    '/eve/v1/connections/../callback/../session',
    '/eve/v1/connections/%2e%2e/callback/%2e%2e/session',
    '/eve/v1/connections/notes/callback/a/b?error=x',
    '/eve/v1/connections/notes/callback/a/b\n',
    '',
  ])('leads nowhere but to eve: %j', (to) => {
    const { status, headers } = back(to, { request: 'ask_1' })
    expect([status, headers.get('location')]).toEqual([400, null])
  })

  it('refuses a visit that names no request', () => {
    expect(back(callback, {}).status).toBe(400)
  })

  it('stays beneath the prefix under which an agent is mounted', () => {
    const url = new URL(returnUrl(`https://agent.example/support${callback}`, '/valetkey/return'))
    expect(url.pathname).toBe('/support/valetkey/return')
    expect(back(url.searchParams.get('to') ?? '', { request: 'ask_1' }).headers.get('location')).toBe(
      `/support${callback}?request=ask_1`,
    )
  })

  it("is a channel with one route, in eve's own words", () => {
    expect(consentReturn('/valetkey/return')).toMatchObject({
      routes: [expect.objectContaining({ path: '/valetkey/return', method: 'GET' })],
    })
  })
})
