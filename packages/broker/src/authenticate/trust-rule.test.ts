import { describe, expect, it } from 'vitest'
import { parseTrustRule } from './trust-rule.ts'

const options = { publicUrl: 'https://broker.example/', allowHttpLoopback: false }
const github = 'https://token.actions.githubusercontent.com'

function parse(input: unknown, overrides: Partial<typeof options> = {}) {
  return parseTrustRule(input, { ...options, ...overrides })
}

function rule(overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    environment: 'production',
    issuer: 'https://issuer.example',
    claims: { sub: 'workload-1' },
    ...overrides,
  }
}

function messageOf(input: unknown, overrides: Partial<typeof options> = {}): string {
  const outcome = parse(input, overrides)
  if (outcome.ok) return `accepted ${JSON.stringify(outcome.value)}`
  return outcome.refusal.reason === 'request_invalid' ? outcome.refusal.message : outcome.refusal.reason
}

describe('parseTrustRule', () => {
  it('fills in the audience, the broker without a trailing slash, and the longest age', () => {
    expect(parse(rule())).toEqual({
      ok: true,
      value: {
        environment: 'production',
        issuer: 'https://issuer.example',
        audience: 'https://broker.example',
        claims: { sub: ['workload-1'] },
        refuse: {},
        maxAgeSeconds: 86_400,
      },
    })
  })

  it('keeps what is given, and the issuer byte for byte', () => {
    const given = {
      environment: 'Preview.2',
      issuer: 'https://Issuer.Example:443/tenant/',
      audience: 'https://other.example/',
      claims: { sub: ['a', 'b*'], environment: 'prod' },
      refuse: { event_name: 'pull_request_target', kind: ['debug', 'test'] },
      maxAgeSeconds: 600,
    }
    expect(parse(given)).toEqual({
      ok: true,
      value: {
        ...given,
        claims: { sub: ['a', 'b*'], environment: ['prod'] },
        refuse: { event_name: ['pull_request_target'], kind: ['debug', 'test'] },
      },
    })
  })

  it.each([
    ['no object', 'text', 'JSON object'],
    ['a list', [], 'JSON object'],
    ['an unknown field', rule({ claim: { sub: 'x' } }), '"claim" is not a field'],
    ['an unknown field of another case', rule({ Claims: {} }), '"Claims" is not a field'],
    ['no claims', { environment: 'e', issuer: 'https://issuer.example' }, 'claims:'],
    ['claims as a list', rule({ claims: ['sub=a'] }), 'claims:'],
    ['an empty claims object', rule({ claims: {} }), '"sub"'],
    ['claims without sub', rule({ claims: { environment: 'production' } }), '"sub"'],
    ['ids that only a known platform has', rule({ claims: { repository_id: '74' } }), '"sub"'],
    ['a claim matched by everything', rule({ claims: { sub: '*' } }), 'claims.sub: "*" matches everything'],
    ['only separators and *', rule({ claims: { sub: '*:*/*' } }), 'matches everything'],
    ['one value of several', rule({ claims: { sub: ['a', '**'] } }), 'matches everything'],
    ['another claim matched by everything', rule({ claims: { sub: 'a', ref: '*' } }), 'claims.ref'],
    ['an empty value', rule({ claims: { sub: '' } }), 'claims.sub: must not be empty'],
    ['an empty list', rule({ claims: { sub: [] } }), 'claims.sub: an empty list'],
    ['a number', rule({ claims: { sub: 7 } }), 'claims.sub: must be a string'],
    ['a nested list', rule({ claims: { sub: [['a']] } }), 'claims.sub: must be a string'],
    ['a newline', rule({ claims: { sub: 'main\n' } }), 'claims.sub: holds a control character'],
    ['a line separator', rule({ claims: { sub: 'main\u2028' } }), 'control character'],
    ['a long value', rule({ claims: { sub: 'a'.repeat(1025) } }), 'longer than 1024'],
    ['an empty claim name', rule({ claims: { sub: 'a', '': 'b' } }), 'not a claim name'],
    ['many values', rule({ claims: { sub: Array(17).fill('a') } }), 'at most 16'],
    ['a second spelling of a claim', rule({ claims: { sub: 'a', '/sub': 'b' } }), 'not a claim name'],
    ['refuse as a list', rule({ refuse: ['kind=debug'] }), 'refuse:'],
    ['refuse that is null', rule({ refuse: null }), 'refuse:'],
    ['a pattern to refuse', rule({ refuse: { kind: 'deb*' } }), 'refuse.kind:'],
    ['everything to refuse', rule({ refuse: { kind: '*' } }), 'refuse.kind:'],
    ['a number to refuse', rule({ refuse: { kind: 7 } }), 'refuse.kind: must be a string'],
    ['an empty value to refuse', rule({ refuse: { kind: '' } }), 'refuse.kind: must not be empty'],
    ['nothing to refuse of a claim', rule({ refuse: { kind: [] } }), 'refuse.kind: an empty list'],
    ['iss to refuse', rule({ refuse: { iss: 'x' } }), 'refuse.iss'],
    ['only what it refuses', rule({ claims: {}, refuse: { sub: 'a' } }), '"sub"'],
    ['aud as a claim', rule({ claims: { sub: 'a', aud: 'b' } }), 'claims.aud'],
    ['iss as a claim', rule({ claims: { sub: 'a', iss: 'b' } }), 'claims.iss'],
    ['exp as a claim', rule({ claims: { sub: 'a', exp: '1' } }), 'claims.exp'],
    ['iat as a claim', rule({ claims: { sub: 'a', iat: '1' } }), 'claims.iat'],
    ['nbf as a claim', rule({ claims: { sub: 'a', nbf: '1' } }), 'claims.nbf'],
    ['an empty audience', rule({ audience: '' }), 'audience: must not be empty'],
    ['a null audience', rule({ audience: null }), 'audience: must be a string'],
    ['several audiences', rule({ audience: ['a', 'b'] }), 'audience: must be a string'],
    ['the audience of AWS', rule({ audience: 'sts.amazonaws.com' }), 'audience:'],
    ['the audience of the API server', rule({ audience: 'https://kubernetes.default.svc' }), 'audience:'],
    ['no environment', rule({ environment: undefined }), 'environment:'],
    ['an environment with a space', rule({ environment: 'a b' }), 'environment:'],
    ['an environment ending in a newline', rule({ environment: 'production\n' }), 'environment:'],
    ['a long environment', rule({ environment: 'a'.repeat(64) }), 'environment:'],
    ['an environment pattern', rule({ environment: '*' }), 'environment:'],
    ['no age', rule({ maxAgeSeconds: 0 }), 'maxAgeSeconds:'],
    ['a long age', rule({ maxAgeSeconds: 86_401 }), 'maxAgeSeconds:'],
    ['a broken age', rule({ maxAgeSeconds: 1.5 }), 'maxAgeSeconds:'],
    ['an age as text', rule({ maxAgeSeconds: '600' }), 'maxAgeSeconds:'],
  ])('S08 refuses %s when it is written', (_, input, part) => {
    expect(messageOf(input)).toContain(part)
    expect(parse(input).ok).toBe(false)
  })

  it('S08 refuses more than 32 claims', () => {
    const claims = Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`c${at}`, 'x']))
    expect(messageOf(rule({ claims }))).toBe('claims: at most 32')
  })

  it.each([
    'http://issuer.example',
    'http://localhost:4000',
    'ftp://issuer.example',
    'issuer.example',
    '//issuer.example',
    'https://issuer.example?x=1',
    'https://issuer.example?',
    'https://issuer.example#x',
    'https://issuer.example#',
    'https://user@issuer.example',
    'https://user:secret@issuer.example',
    'https://issuer.example\\@evil.example',
    ' https://issuer.example',
    'https://issuer.example/\tx',
    'https://',
    '',
    7,
    null,
  ])('S11 refuses the issuer %j', (issuer) => {
    expect(messageOf(rule({ issuer }))).toMatch(/^issuer: /)
  })

  it('accepts http on loopback only where the broker allows it', () => {
    for (const issuer of ['http://localhost:4000', 'http://127.0.0.1:4000/oidc', 'http://[::1]:4000']) {
      expect(parse(rule({ issuer }), { allowHttpLoopback: true }).ok).toBe(true)
    }
    for (const issuer of [
      'http://127.0.0.1.evil.example',
      'http://localhost.evil.example',
      'http://10.0.0.1',
    ]) {
      expect(messageOf(rule({ issuer }), { allowHttpLoopback: true })).toContain('http is for loopback only')
    }
  })

  it.each([
    ['https://broker.example', 'https://broker.example'],
    ['https://broker.example', 'https://broker.example/'],
    ['https://broker.example', 'https://broker.example/development'],
    ['https://broker.example', 'https://BROKER.example:443/development'],
    ['https://broker.example', 'https://broker.example/anything/below'],
    ['https://host.example/valetkey', 'https://host.example/valetkey'],
    ['https://host.example/valetkey/', 'https://host.example/valetkey/development'],
    ['https://host.example/valetkey', 'https://host.example/other/../valetkey/development'],
  ])('S38 the broker at %s cannot be trusted by rule as %s', (publicUrl, issuer) => {
    expect(messageOf(rule({ issuer }), { publicUrl })).toContain('cannot be trusted by rule')
  })

  it('accepts another issuer on the same host as a broker below a path', () => {
    const publicUrl = 'https://host.example/valetkey'
    expect(parse(rule({ issuer: 'https://host.example/valetkey-not' }), { publicUrl }).ok).toBe(true)
  })
})

describe('identifying claims', () => {
  it.each([
    ['GitHub', github, { repository_id: '74' }],
    ['GitHub', github, { repository_id: '74', repository_owner_id: '65', ref: 'refs/heads/*' }],
    ['GitHub', github, { sub: 'repo:octo/app:ref:refs/heads/main' }],
    ['GitHub', github, { sub: 'repo:octo@65/app@74:environment:production' }],
    ['GitHub', github, { sub: ['repo:octo/app:*', 'repo:octo@65/app@74:*'] }],
    ['GitHub', github, { sub: 'repository_owner_id:65:repository_id:74:*' }],
    ['GitHub', github, { repository_id: '74', sub: 'repo:*/app:ref:refs/heads/main' }],
    ['GitHub of an enterprise', `${github}/acme`, { repository_id: '74' }],
    ['GitHub on ghe.com', 'https://token.actions.acme.ghe.com', { repository_id: '74' }],
    ['GitHub Enterprise Server', 'https://ghes.example/_services/token', { sub: 'repo:octo/app:*' }],
    ['Vercel', 'https://oidc.vercel.com/acme', { owner_id: 'team_1', project_id: 'prj_1' }],
    ['Vercel', 'https://oidc.vercel.com', { sub: 'owner:acme:project:site:environment:*' }],
    ['GitLab.com', 'https://gitlab.com', { project_id: '12' }],
    ['GitLab.com', 'https://gitlab.com', { sub: 'project_path:acme/app:ref_type:branch:ref:*' }],
    ['CircleCI', 'https://oidc.circleci.com/org/1-2', { 'oidc.circleci.com/project-id': '3-4' }],
    ['Google', 'https://accounts.google.com', { sub: '1234567890' }],
    ['Kubernetes', 'https://cluster.example', { sub: 'system:serviceaccount:ns:agent' }],
  ])('accepts for %s (%s) %j', (_, issuer, claims) => {
    expect(messageOf(rule({ issuer, claims }))).toContain('accepted')
  })

  it.each([
    ['the owner alone', github, { repository_owner_id: '65' }],
    ['the name of the repository', github, { repository: 'octo/app' }],
    ['the environment alone', github, { environment: 'production' }],
    ['an id with *', github, { repository_id: '7*' }],
    ['one id of two with *', github, { repository_id: ['74', '7*'] }],
    ['any repository', github, { sub: 'repo:*/*:ref:refs/heads/main' }],
    ['any repository of an owner', github, { sub: 'repo:octo/*:ref:refs/heads/main' }],
    ['any owner', github, { sub: 'repo:*/app:ref:refs/heads/main' }],
    ['any repository that starts so', github, { sub: 'repo:octo/app*:ref:refs/heads/main' }],
    ['* for the word repo', github, { sub: '*:octo/app:ref:refs/heads/main' }],
    ['nothing after repo', github, { sub: 'repo::ref:refs/heads/main' }],
    // Every repository can choose a template of `sub` that says only this.
    ['a sub that any repository can have', github, { sub: 'environment:production' }],
    [
      'a workflow that anyone can call',
      github,
      { sub: 'job_workflow_ref:octo/app/.github/workflows/x.yml@v1' },
    ],
    ['an enterprise issuer with a loose sub', `${github}/acme`, { sub: 'repo:*/app:*' }],
    ['one value of several', github, { sub: ['repo:octo/app:*', 'repo:*/app:*'] }],
    ['GHES, any repository', 'https://ghes.example/_services/token', { sub: 'repo:octo/*:*' }],
    ['Vercel project without owner', 'https://oidc.vercel.com', { project_id: 'prj_1' }],
    [
      'any Vercel project',
      'https://oidc.vercel.com/acme',
      { sub: 'owner:acme:project:*:environment:production' },
    ],
    ['any Vercel team', 'https://oidc.vercel.com', { sub: 'owner:*:project:site:environment:production' }],
    ['any GitLab project', 'https://gitlab.com', { sub: 'project_path:*/app:ref_type:branch:ref:main' }],
    ['any Google account that starts so', 'https://accounts.google.com', { sub: '1*' }],
    ['a Google e-mail', 'https://accounts.google.com', { email: 'agent@acme.example' }],
  ])('S08 refuses %s', (_, issuer, claims) => {
    expect(messageOf(rule({ issuer, claims }))).toMatch(/^claims/)
  })

  it('names what would identify', () => {
    expect(messageOf(rule({ issuer: github, claims: { ref: 'refs/heads/main' } }))).toBe(
      'claims: nothing says which workload it is: add "sub", or "repository_id"',
    )
    expect(
      messageOf(rule({ issuer: 'https://oidc.vercel.com', claims: { sub: 'owner:a:project:*:x' } })),
    ).toBe(
      'claims.sub: "owner:a:project:*:x" could be another tenant\'s on Vercel: begin with "owner:" and write the first 4 parts between ":" without *',
    )
  })
})
