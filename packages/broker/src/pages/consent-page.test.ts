import { describe, expect, it } from 'vitest'
import { consentPage } from './consent-page.ts'
import { consentView, textOf } from './test-consent-view.ts'

const without = <Key extends keyof typeof consentView>(key: Key) => {
  const { [key]: _left, ...rest } = consentView
  return rest
}

describe('the consent page', () => {
  it('says who asks, for whom, through what and until when', () => {
    const page = consentPage(consentView)
    const text = textOf(page)
    expect(text).toContain('Let support-agent use GitHub?')
    expect(text).toContain('support-agent, in its production environment')
    expect(text).toContain('GitHub, through the connector github/support')
    expect(text).toContain('the account that support-agent knows as user_42 named by https://app.example.com')
    expect(text).toContain('You can answer until 09:05 UTC on 21 November 2026.')
    expect(page).toContain('<time datetime="2026-11-21T09:05:00.000Z">')
    expect(text).toContain('Continue only if you began this yourself, in support-agent.')
  })

  it('says in words what it may do, with the raw name beside it, and the raw name alone without words', () => {
    const text = textOf(consentPage(consentView))
    expect(text).toContain('Read and change code in your repositories repo')
    expect(text).toContain('workflow')
    expect(text).toContain('Only foracme/website')
    expect(text).toContain('In detailcontents: read')
  })

  it('says that no permission is named, and leaves out limits that are not there', () => {
    const text = textOf(consentPage({ ...consentView, scopes: [], audience: [], resources: [], details: [] }))
    expect(text).toContain('No permissions are named here. GitHub will show you what it hands out.')
    expect(text).not.toContain('Only for')
    expect(text).not.toContain('In detail')
    expect(text).not.toContain('Meant for')
  })

  it('says whom tokens are meant for, and in which tenant and installation they count', () => {
    const text = textOf(consentPage(consentView))
    expect(text).toContain('Meant forhttps://api.example.com')
    expect(text).toContain('Tenanttenant-7')
    expect(text).toContain('Installationinstallation-8')
    const { tenant: _tenant, installation: _installation, ...rest } = consentView
    expect(textOf(consentPage(rest))).not.toMatch(/Tenant|Installation/)
  })

  it('says what a sign-in tells the project about the person, and nothing of it otherwise', () => {
    const identity = ['openid', 'profile', 'email']
    const text = textOf(consentPage({ ...consentView, kind: 'sign_in', identity }))
    expect(text).toContain('What support-agent is told about you')
    for (const words of ['the same person as the last time', 'Your name and picture', 'Your email address'])
      expect(text).toContain(words)
    const less = textOf(consentPage({ ...consentView, kind: 'sign_in', identity: ['openid'] }))
    expect(less).not.toContain('email address')
    expect(textOf(consentPage(consentView))).not.toContain('told about you')
  })

  it('leaves out the account where there is none, and its issuer where it has none', () => {
    expect(textOf(consentPage(without('onBehalfOf')))).not.toContain('On behalf of')
    const text = textOf(consentPage({ ...consentView, onBehalfOf: { id: 'user_42' } }))
    expect(text).toContain('knows as user_42')
    expect(text).not.toContain('named by')
  })

  it.each([
    ['return', 'sent back to app.example.com.'],
    ['code', 'you will get a short code to type back where you began.'],
    ['close', 'you may close the window.'],
  ] as const)('says what happens next: %s', (next, words) => {
    const text = textOf(consentPage({ ...consentView, next }))
    expect(text).toContain('You will be sent to GitHub to agree there.')
    expect(text).toContain(words)
  })

  it('names no host to return to where it knows none', () => {
    expect(textOf(consentPage(without('returnHost')))).toContain('sent back to where you began.')
  })

  it.each([
    ['authorize', 'Let support-agent use GitHub?', 'to agree there'],
    ['install', 'Install an app in GitHub for support-agent?', 'to install the app there'],
    ['sign_in', 'Sign in to support-agent with GitHub', 'to sign in there'],
  ] as const)('names the deed in heading, title and next step: %s', (kind, heading, deed) => {
    const page = consentPage({ ...consentView, kind })
    expect(page).toContain(`<title>${heading} – Valetkey</title>`)
    expect(textOf(page.slice(page.indexOf('<h1>'), page.indexOf('</h1>')))).toBe(heading)
    expect(textOf(page)).toContain(deed)
  })

  it('warns that agreeing is all it takes only where that is so', () => {
    const warning = 'Agreeing gives support-agent access at once, for the account named above.'
    expect(textOf(consentPage({ ...consentView, bindsOnConsent: true }))).toContain(warning)
    expect(textOf(consentPage(consentView))).not.toContain('at once')
    const nobody = textOf(consentPage({ ...without('onBehalfOf'), bindsOnConsent: true }))
    expect(nobody).toContain('Agreeing gives support-agent access at once, for whoever began this.')
  })

  it('posts the token and one of two actions to the given place', () => {
    const page = consentPage(consentView)
    expect(page).toContain('<form method="post" action="/consent/request-1">')
    expect(page).toContain('<input type="hidden" name="token" value="form-token">')
    expect(page.match(/name="action" value="\w+"/g)).toEqual([
      'name="action" value="continue"',
      'name="action" value="cancel"',
    ])
  })
})
