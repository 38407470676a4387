import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { consentPage, devicePage, donePage, failedPage, leavingPage, pageHeaders } from './index.ts'
import { consentView, textOf } from './test-consent-view.ts'

const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onfocus='alert(1)",
  '</style><style>*{display:none}</style>',
  '</title><script>alert(1)</script>',
  '<!--',
  '&lt;script&gt;',
]

/** Every page with `text` wherever somebody else's text may stand. */
function pagesWith(text: string): string[] {
  return [
    consentPage({
      ...consentView,
      project: text,
      environment: text,
      connector: text,
      service: text,
      onBehalfOf: { id: text, issuer: text },
      scopes: [{ name: text, title: text }, { name: text }],
      identity: [text, 'email'],
      audience: [text],
      tenant: text,
      installation: text,
      resources: [text],
      details: [text],
      returnHost: text,
      bindsOnConsent: true,
      action: text,
      token: text,
    }),
    leavingPage({ url: 'https://provider.example/authorize', service: text }),
    devicePage({ action: text, token: text, fault: 'unknown' }),
    donePage({ service: text, kind: 'install', code: text, expiresAt: 0 }),
    donePage({ service: text, kind: 'sign_in' }),
    failedPage({ title: text, message: text, requestId: text }),
  ]
}

const shapeOf = (page: string) => page.match(/<[^>]*>/g)?.map((tag) => tag.split(/[\s>]/)[0])

describe('every page', () => {
  it.each(hostile)('keeps text that is not ours out of its markup: %s', (text) => {
    const harmless = pagesWith('name').map(shapeOf)
    pagesWith(text).forEach((page, index) => {
      expect(shapeOf(page)).toEqual(harmless[index])
      expect(page).not.toContain(text)
    })
  })

  it('shows hostile text as it is written', () => {
    const page = failedPage({ title: 'Refused', message: `It's "<b>" & more`, requestId: 'req_1' })
    expect(textOf(page)).toContain(`It's "<b>" & more`)
  })

  it('is a whole document without a script, a handler or anything from elsewhere', () => {
    for (const page of pagesWith('name')) {
      expect(page).toMatch(/^<!doctype html>\n<html lang="en">/)
      expect(page.match(/<h1>/g)).toHaveLength(1)
      expect(page.match(/<main>/g)).toHaveLength(1)
      expect(page).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|\sstyle=|\ssrc=|url\(|@import/i)
    }
  })

  it('has the one style that its policy names', () => {
    const policy = pageHeaders()['content-security-policy']
    for (const page of pagesWith('name')) {
      const styles = [...page.matchAll(/<style>(.*?)<\/style>/gs)].map(([, css = '']) => css)
      expect(styles).toHaveLength(1)
      const digest = createHash('sha256')
        .update(styles[0] ?? '')
        .digest('base64')
      expect(policy).toContain(`style-src 'sha256-${digest}'`)
    }
  })

  it('spells out characters that would reorder or hide the words around them', () => {
    for (const page of pagesWith('a\u202Egnp\u202C\u2066b\u2069\u200B\u0000c')) {
      expect(textOf(page)).not.toMatch(/[\u202A-\u202E\u2066-\u2069\u200B\0]/)
    }
    const page = failedPage({ title: 'a\u202Eb', message: 'c', requestId: 'req_1' })
    expect(page).toContain('<h1><bdi>a[U+202E]b</bdi></h1>')
  })
})

describe('the headers of pages', () => {
  it('are exactly these', () => {
    const { 'content-security-policy': policy, ...headers } = pageHeaders()
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    )
    expect(headers).toEqual({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cross-origin-opener-policy': 'same-origin',
      'permissions-policy':
        'camera=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()',
    })
  })

  it('carry a cookie where there is one', () => {
    expect(pageHeaders({ cookie: 'a=b; HttpOnly' })).toEqual({
      ...pageHeaders(),
      'set-cookie': 'a=b; HttpOnly',
    })
  })
})

describe('the leaving page', () => {
  it('leads on by itself and by a link, to the URL as it was given, and says whereto', () => {
    const page = leavingPage({ url: 'https://github.com:443/login?a=1&b="2"', service: 'GitHub' })
    const url = 'https://github.com:443/login?a=1&amp;b=&quot;2&quot;'
    expect(page).toContain(`<meta http-equiv="refresh" content="0;url=${url}">`)
    expect(page).toContain(`href="${url}"`)
    expect(textOf(page)).toContain('You are leaving for github.com.')
    expect(textOf(page)).toContain('Continue to GitHub')
  })

  it.each([
    'javascript:alert(1)',
    ' JavaScript:alert(1)',
    'data:text/html,x',
    'ftp://h/',
    '/path',
    '//host/path',
    '',
  ])('refuses to lead to %j, without repeating it', (url) => {
    const lead = () => leavingPage({ url, service: 'GitHub' })
    expect(lead).toThrow(TypeError)
    expect(lead).toThrow(/^url: a page can only lead to an http\(s\) URL$/)
  })
})

describe('the device page', () => {
  it('asks for one code, with its label and hint', () => {
    const page = devicePage({ action: '/device', token: 'form-token' })
    expect(page).toContain('<form method="post" action="/device">')
    expect(page).toContain('<input type="hidden" name="token" value="form-token">')
    expect(page).toMatch(
      /<input id="code" name="code"[^>]* autocapitalize="characters"[^>]* aria-describedby="code-hint">/,
    )
    expect(page).toContain('<label for="code">')
    expect(page).not.toContain('role="alert"')
  })

  it.each([
    ['unknown', 'That code is not known here.', true],
    ['limited', 'Too many codes were tried.', false],
  ] as const)('announces a fault: %s', (fault, words, invalid) => {
    const page = devicePage({ action: '/device', token: 'form-token', fault })
    expect(page).toContain('role="alert" id="code-fault"')
    expect(page).toContain('aria-describedby="code-fault code-hint"')
    expect(page.includes('aria-invalid="true"')).toBe(invalid)
    expect(textOf(page)).toContain(words)
  })
})

describe('the done page', () => {
  it('shows the completion code, spells it out, and warns whom not to tell', () => {
    const page = donePage({
      service: 'GitHub',
      kind: 'authorize',
      code: 'AB-12',
      expiresAt: Date.UTC(2026, 0, 2, 3, 4),
    })
    const text = textOf(page)
    expect(page).toContain('aria-hidden="true">AB-12</p>')
    expect(text).toContain('The code is: A, B, hyphen, 1, 2.')
    expect(text).toContain('type this code back where you began')
    expect(text).toContain('Tell it to nobody else.')
    expect(text).toContain('Whoever has it gets the access you just gave.')
    expect(text).toContain('until 03:04 UTC on 2 January 2026')
  })

  it.each(['authorize', 'install', 'sign_in'] as const)(
    'never says that anything may be used: %s',
    (kind) => {
      for (const page of [
        donePage({ service: 'GitHub', kind }),
        donePage({ service: 'GitHub', kind, code: 'AB' }),
      ]) {
        expect(textOf(page)).not.toMatch(/ready|connected|success|usable|active|signed in|installed|now use/i)
      }
    },
  )

  it('lets people close the window where there is no code', () => {
    expect(textOf(donePage({ service: 'GitHub', kind: 'authorize' }))).toContain('You may close this window')
  })
})

describe('the failed page', () => {
  it('says what happened, what to do, and which request it was', () => {
    const text = textOf(failedPage({ title: 'Refused', message: 'GitHub said no.', requestId: 'req_1' }))
    expect(text).toContain('Refused')
    expect(text).toContain('GitHub said no.')
    expect(text).toContain('Go back to where you began and start again.')
    expect(text).toContain('Request id: req_1')
  })
})
