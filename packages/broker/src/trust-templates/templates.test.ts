import { describe, expect, it } from 'vitest'
import { hasAudience, isYoungEnough, matchRule } from '../authenticate/match-rule.ts'
import { parseTrustRule, type TrustRuleInput } from '../authenticate/trust-rule.ts'
import { fillTemplate, trustTemplates } from './fill-template.ts'
import { type Example, examples, now, publicUrl } from './test-examples.ts'

function ruleOf(platform: string, fields: Readonly<Record<string, unknown>>, environment = 'production') {
  const filled = fillTemplate({ platform, ...fields }, { environment })
  if (!filled.ok) throw new Error(JSON.stringify(filled.refusal))
  const { words, weaknesses = [], sameIdsAs, ...made } = filled.value
  const options = { publicUrl, allowHttpLoopback: false, ...(sameIdsAs === undefined ? {} : { sameIdsAs }) }
  const rule = parseTrustRule({ ...made, environment }, options)
  if (!rule.ok) throw new Error(JSON.stringify(rule.refusal))
  return { rule: rule.value, words, weaknesses }
}

function admits(
  rule: TrustRuleInput,
  example: Example,
  change: Readonly<Record<string, unknown>> = {},
): boolean {
  const claims: Record<string, unknown> = { aud: publicUrl, ...example.token, ...change }
  const times = { iat: now, exp: now + example.lifeSeconds }
  return (
    claims.iss === rule.issuer &&
    hasAudience(claims, rule.audience) &&
    isYoungEnough(rule, times, now * 1_000) &&
    matchRule(rule, claims)
  )
}

function refusalOf(platform: string, fields: Readonly<Record<string, unknown>>): string | undefined {
  const filled = fillTemplate({ platform, ...fields }, { environment: 'production' })
  return filled.ok || filled.refusal.reason !== 'request_invalid' ? undefined : filled.refusal.message
}

it('has an example of every template', () => {
  expect(Object.keys(examples)).toEqual(trustTemplates.map(({ platform }) => platform))
})

describe.each(Object.entries(examples))('the template for %s', (platform, example) => {
  it('admits a token of the platform', () => {
    const { rule, words } = ruleOf(platform, example.fields)
    expect(admits(rule, example)).toBe(true)
    expect(words.length).toBeGreaterThan(0)
    for (const sentence of words) expect(sentence).toMatch(/^[A-Z].*\.$/)
  })

  it.each(Object.entries(example.refused))('refuses %s', (_what, change) => {
    expect(admits(ruleOf(platform, example.fields).rule, example, change)).toBe(false)
  })

  it('refuses a token of another audience, and one of several', () => {
    const { rule } = ruleOf(platform, example.fields)
    for (const aud of ['https://other.example', 'sts.amazonaws.com', [rule.audience, 'x'], undefined])
      expect(admits(rule, example, { aud })).toBe(false)
  })

  it('S09 takes no pattern, no control character, nothing empty and nothing unknown', () => {
    const names = Object.keys(trustTemplates.find((template) => template.platform === platform)?.fields ?? {})
    for (const name of names) {
      const good = typeof example.fields[name] === 'string' ? example.fields[name] : 'x'
      for (const value of ['*', `${good}*`, `*${good}`, `${good}\n`, `${good}\0`, '', 7, null, [good]])
        expect(refusalOf(platform, { ...example.fields, [name]: value }), name).toContain(`template.${name}:`)
    }
    expect(refusalOf(platform, { ...example.fields, sub: 'x' })).toContain('"sub" is not a field')
  })

  it.each(example.badFields)('refuses %j', (change) => {
    expect(refusalOf(platform, { ...example.fields, ...change })).toBeDefined()
  })
})

describe('templates for tokens of one audience', () => {
  it.each(['modal', 'semaphore', 'spacelift'])(
    '%s must be asked for by saying so, and says why',
    (platform) => {
      const { acceptFixedAudience: _, ...fields } = examples[platform]?.fields ?? {}
      expect(refusalOf(platform, fields)).toContain('acceptFixedAudience')
      for (const value of [false, 'true', 1])
        expect(refusalOf(platform, { ...fields, acceptFixedAudience: value })).toContain(
          'acceptFixedAudience',
        )
      expect(ruleOf(platform, { ...fields, acceptFixedAudience: true }).weaknesses[0]).toContain('replay')
    },
  )

  it('is not to be said elsewhere', () => {
    expect(refusalOf('fly', { ...examples.fly?.fields, acceptFixedAudience: true })).toContain('one audience')
  })

  it.each(['modal', 'azure'])(
    '%s takes a token for a day after it was issued, however long it lives',
    (platform) => {
      const fixed = platform === 'modal' ? { acceptFixedAudience: true } : {}
      const { rule } = ruleOf(platform, { ...examples[platform]?.fields, ...fixed })
      const times = { iat: now, exp: now + 172_800 }
      expect(isYoungEnough(rule, times, (now + 86_400) * 1_000)).toBe(true)
      expect(isYoungEnough(rule, times, (now + 86_401) * 1_000)).toBe(false)
      // Of other issuers the whole life counts, from the first second.
      expect(isYoungEnough({ ...rule, issuer: 'https://issuer.example' }, times, now * 1_000)).toBe(false)
    },
  )
})

describe('the choices of templates', () => {
  it('Azure takes whatever application calls: `azp` is its id, and not that of the application the token is for', () => {
    const example = examples.azure as Example
    const { rule, words } = ruleOf('azure', example.fields)
    expect(rule.audience).toBe(example.fields.applicationId)
    expect(admits(rule, example, { azp: example.fields.tenantId })).toBe(true)
    expect(words.join()).toContain(`version 2 for the application ${example.fields.applicationId}`)
  })

  it('GitHub takes one workflow on one ref instead of an environment', () => {
    const example = examples.github as Example
    const jobWorkflowRef = String(example.token.job_workflow_ref)
    const { rule } = ruleOf('github', { ...example.fields, ref: 'refs/heads/main', jobWorkflowRef })
    expect(admits(rule, example, { environment: undefined })).toBe(true)
    expect(admits(rule, example, { ref: 'refs/heads/dev' })).toBe(false)
    expect(admits(rule, example, { ref: 'refs/pull/1/merge' })).toBe(false)
    expect(admits(rule, example, { job_workflow_ref: `${jobWorkflowRef}x` })).toBe(false)
    const both = { ...example.fields, ref: 'refs/heads/main', jobWorkflowRef, githubEnvironment: 'x' }
    expect(refusalOf('github', both)).toContain('githubEnvironment')
  })

  it('servers of one’s own are known by the ids that the platform gives', () => {
    const issuers = [
      ['github', { issuer: 'https://github.acme.example/_services/token' }],
      ['gitlab', { url: 'https://gitlab.acme.example' }],
      ['hcp-terraform', { url: 'https://tfe.acme.example' }],
    ] as const
    for (const [platform, fields] of issuers)
      expect(ruleOf(platform, { ...examples[platform]?.fields, ...fields }).rule.issuer).toBe(
        Object.values(fields)[0],
      )
  })

  it('S11 GitHub over http is for loopback, where the broker was told to', () => {
    for (const issuer of ['http://evil.example', 'http://127.0.0.1:4000/_services/token'])
      expect(() => ruleOf('github', { ...examples.github?.fields, issuer })).toThrow('https URL')
  })

  it('says what a default account is', () => {
    const google = { serviceAccount: '1-compute@developer.gserviceaccount.com', serviceAccountId: '1' }
    expect(ruleOf('google-cloud', google).weaknesses.join()).toContain('default service account')
    const kubernetes = { ...examples.kubernetes?.fields, serviceAccount: 'default' }
    expect(ruleOf('kubernetes', kubernetes).weaknesses.join()).toContain('default service account')
  })

  it('takes the environment of the platform by the name it has there', () => {
    const named = { ...examples.gitlab?.fields, gitlabEnvironment: 'live' }
    expect(ruleOf('gitlab', named).rule.claims.environment).toEqual(['live'])
    expect(ruleOf('vercel', examples.vercel?.fields ?? {}, 'preview').rule.claims.environment).toEqual([
      'preview',
    ])
  })
})

it.each([
  [undefined],
  ['github'],
  [[]],
  [{}],
  [{ platform: 'githubs' }],
  [{ platform: '__proto__' }],
  [{ platform: ['github'] }],
])('refuses %j for a template', (input) => {
  expect(fillTemplate(input, { environment: 'production' }).ok).toBe(false)
})
