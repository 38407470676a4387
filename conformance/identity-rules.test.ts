import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asObjects, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer

beforeAll(async () => {
  issuer = await startIssuer(clock)
  broker = await startBroker({ clock, drivers: [provider.driver] })
  await createVault(broker, 'rules')
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
})

describe('S08 writing trust rules', () => {
  const good = { environment: 'production', claims: { sub: 'workload:s08' } }
  const github = 'https://token.actions.githubusercontent.com'
  const gitHubSub = (sub: string) => ({ issuer: github, claims: { sub } })

  beforeAll(async () => {
    await broker.manage('POST', '/v1/projects', { name: 's08' })
  })

  const refused: readonly (readonly [string, Record<string, unknown>])[] = [
    ['no claims at all', { claims: undefined }],
    ['an empty object of claims', { claims: {} }],
    ['no identifying claim', { claims: { ref: 'main' } }],
    ['claims that are a list', { claims: ['sub'] }],
    ['a list without values', { claims: { sub: [] } }],
    ['a value that is no string', { claims: { sub: 7 } }],
    ['a value that is null', { claims: { sub: null } }],
    ['a nested list', { claims: { sub: [['workload:s08']] } }],
    ['an empty value', { claims: { sub: '' } }],
    ['the pattern *', { claims: { sub: '*' } }],
    ['the pattern **', { claims: { sub: '**' } }],
    ['the pattern */*', { claims: { sub: '*/*' } }],
    ['the pattern *:*', { claims: { sub: '*:*' } }],
    ['one good value and one that matches all', { claims: { sub: ['workload:s08', '*'] } }],
    ['another claim that matches everything', { claims: { sub: 'workload:s08', ref: '*' } }],
    ['a line break in a value', { claims: { sub: 'workload:s08\n' } }],
    ['a NUL in a value', { claims: { sub: 'workload:\0' } }],
    ['aud among the claims', { claims: { sub: 'workload:s08', aud: 'x' } }],
    ['iss among the claims', { claims: { sub: 'workload:s08', iss: 'x' } }],
    ['exp among the claims', { claims: { sub: 'workload:s08', exp: '1' } }],
    ['an empty audience', { audience: '' }],
    ['a null audience', { audience: null }],
    ['a list of audiences', { audience: ['https://broker.example'] }],
    ['the audience of AWS', { audience: 'sts.amazonaws.com' }],
    ['the audience of Azure', { audience: 'api://AzureADTokenExchange' }],
    ['no issuer', { issuer: undefined }],
    ['an issuer with a query', { issuer: 'https://issuer.example?x' }],
    ['an issuer with a fragment', { issuer: 'https://issuer.example#x' }],
    ['an issuer with credentials', { issuer: 'https://a:b@issuer.example' }],
    ['an issuer with a backslash', { issuer: 'https://issuer.example\\@evil.example' }],
    ['an issuer over http', { issuer: 'http://issuer.example' }],
    ['an issuer over http with a loopback look', { issuer: 'http://127.0.0.1.evil.example' }],
    ['an issuer that is a file', { issuer: 'file:///etc/passwd' }],
    ['the broker as issuer', { issuer: 'https://broker.example' }],
    ['the development issuer', { issuer: 'https://broker.example/development' }],
    ['the broker in another spelling', { issuer: 'https://BROKER.example:443/development' }],
    ['an unknown field', { claim: { sub: 'workload:s08' } }],
    ['a field of the store', { projectId: 'prj_x' }],
    ['an environment with a slash', { environment: 'production/../x' }],
    ['no environment', { environment: undefined }],
    ['a life of more than a day', { maxAgeSeconds: 86_401 }],
    ['a life of no time', { maxAgeSeconds: 0 }],
    ['a life that is no number', { maxAgeSeconds: '60' }],
    ['every repository of GitHub', gitHubSub('repo:*:ref:refs/heads/main')],
    ['every repository of an owner', gitHubSub('repo:acme/*:ref:refs/heads/main')],
    ['a subject that anyone on GitHub can choose', gitHubSub('environment:production')],
    ['a subject that only begins like an owner', gitHubSub('repo:acme*:ref:refs/heads/main')],
    ['a GitHub name without its ids', { issuer: github, claims: { repository: 'acme/web' } }],
    ['a pattern among what is refused', { refuse: { kind: 'deb*' } }],
    ['aud among what is refused', { refuse: { aud: 'x' } }],
    ['what is refused in place of what is wanted', { claims: undefined, refuse: { sub: 'x' } }],
    ['a template beside a rule', { template: { platform: 'fly' } }],
    ['a pattern for an id', { issuer: github, claims: { repository_id: '12*' } }],
  ]

  it.each(refused)('S08 refuses %s', async (_what, changes) => {
    const answer = await broker.call('POST', '/v1/projects/s08/trust', {
      token: broker.owner,
      body: { issuer: issuer.url, ...good, ...changes },
    })
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
    const { rules } = await broker.manage('GET', '/v1/projects/s08/trust')
    expect(rules).toEqual([])
  })

  const fly = { platform: 'fly', organization: 'acme', organizationId: '1', appId: '2' }
  const templates: readonly (readonly [string, Record<string, unknown>])[] = [
    ['of no platform', { platform: undefined }],
    ['of a platform that is none', { platform: 'heroku' }],
    ['without an id', { appId: undefined }],
    ['with a field that it does not know', { sub: 'x' }],
    ['with a * for an id', { appId: '*' }],
    ['with a * within', { organization: 'acme*' }],
    ['with a line break', { organization: 'acme\n' }],
    ['with an empty field', { appId: '' }],
    ['with a number', { appId: 2 }],
    ['that accepts what its platform has not', { acceptFixedAudience: true }],
  ]

  it.each(templates)('S09 refuses a template %s', async (_what, changes) => {
    const body = { environment: 'production', template: { ...fly, ...changes } }
    for (const path of ['trust', 'trust/dry-run']) {
      const answer = await broker.call('POST', `/v1/projects/s08/${path}`, { token: broker.owner, body })
      expect(answer).toMatchObject({ status: 400, code: 'invalid_request' })
    }
    expect((await broker.manage('GET', '/v1/projects/s08/trust')).rules).toEqual([])
  })

  it('S08 a template makes a rule like any other, and says it in words', async () => {
    await broker.manage('POST', '/v1/projects', { name: 's08-template' })
    const rule = await broker.manage('POST', '/v1/projects/s08-template/trust', {
      environment: 'production',
      template: fly,
    })
    expect(rule).toMatchObject({
      issuer: 'https://oidc.fly.io/acme',
      audience: broker.url,
      claims: { org_id: ['1'], app_id: ['2'] },
      refuse: {},
      maxAgeSeconds: 600,
      weaknesses: [],
    })
    expect(rule.words).toContainEqual(expect.stringContaining('Fly.io app 2'))
  })

  it('S28 a dry run needs the role that the change needs', async () => {
    const body = { environment: 'production', template: fly }
    const { token } = await broker.manage('POST', '/v1/access-tokens', { role: 'auditor' })
    for (const path of ['trust', 'trust/dry-run']) {
      const answer = await broker.call('POST', `/v1/projects/s08/${path}`, { token: String(token), body })
      expect(answer).toMatchObject({ status: 403, code: 'forbidden' })
    }
  })

  it('S08 fills in its own URL where no audience is given', async () => {
    await broker.manage('POST', '/v1/projects', { name: 's08-defaults' })
    const rule = await broker.manage('POST', '/v1/projects/s08-defaults/trust', {
      ...good,
      issuer: issuer.url,
    })
    expect(rule).toMatchObject({ audience: broker.url, maxAgeSeconds: 86_400 })
  })

  it('S08 takes a rule by immutable ids, or by a subject that pins owner and repository', async () => {
    await broker.manage('POST', '/v1/projects', { name: 's08-github' })
    for (const claims of [
      { repository_id: '1234', ref: 'refs/heads/main' },
      { sub: 'repo:acme/web:ref:refs/heads/*' },
    ]) {
      await broker.manage('POST', '/v1/projects/s08-github/trust', {
        environment: 'production',
        issuer: github,
        claims,
      })
    }
    const { rules } = await broker.manage('GET', '/v1/projects/s08-github/trust')
    expect(asObjects(rules)).toHaveLength(2)
  })
})

describe('S09 matching claims', () => {
  /** A project of its own for each pattern, attached, so that an admitted token is really answered with one. */
  async function projectFor(name: string, claims: Record<string, string | readonly string[]>): Promise<void> {
    await createProject(broker, issuer, name, { claims: { sub: `workload:${name}`, ...claims } })
    await attach(broker, 'vault/rules', name)
  }

  async function statusFor(name: string, claims: Record<string, unknown>): Promise<number> {
    const identity = await issuer.identity(broker.url, { sub: `workload:${name}`, ...claims })
    const before = provider.minted.length
    const answer = await broker.ask('vault/rules', identity, {
      subject: { type: 'app' },
      // A different request each time, or a stored token would be served and nothing minted.
      resources: [JSON.stringify([name, claims, before])],
    })
    if (answer.status === 200) return 200
    expect(answer.body.token).toBeUndefined()
    expect(provider.minted).toHaveLength(before)
    expect(answer.code).toBe('identity_invalid')
    return answer.status
  }

  beforeAll(async () => {
    await projectFor('exact', { ref: 'main' })
    await projectFor('either', { ref: ['main', 'release'] })
    await projectFor('literal', { ref: 'main|dev' })
    await projectFor('wild', { ref: 'repo:acme/*:ref:refs/heads/rel-*-x' })
    await projectFor('number', { ref: '9007199254740993' })
    for (const [index, pattern] of metacharacters.entries())
      await projectFor(`meta-${index}`, { ref: pattern })
  })

  const metacharacters = ['ma.n', 'mai+n', 'mai?n', '^main$', '(main)', '[m]ain', 'main.', 'm\\ain', '.*main']

  const nearMisses: readonly (readonly [string, unknown])[] = [
    ['main-x', 'main-x'],
    ['x-main', 'x-main'],
    ['main/x', 'main/x'],
    ['a longer word', 'mainx'],
    ['a shorter word', 'mai'],
    ['another case', 'Main'],
    ['upper case', 'MAIN'],
    ['a space in front', ' main'],
    ['a space behind', 'main '],
    ['a line break behind', 'main\n'],
    ['a line break and more', 'main\nmain'],
    ['a carriage return', 'main\r'],
    ['a NUL behind', 'main\0'],
    ['a zero-width space', 'main\u200b'],
    ['a line separator', 'main\u2028'],
    ['a Cyrillic a', 'm\u0430in'],
    ['full-width letters', '\uff4d\uff41\uff49\uff4e'],
    ['a dotless i', 'ma\u0131n'],
    ['a combining mark', 'main\u0301'],
    ['a list of it', ['main']],
    ['a list with more', ['main', 'x']],
    ['an object', { main: true }],
    ['an object that prints like it', { toString: 'main' }],
    ['true', true],
    ['a number', 0],
    ['null', null],
    ['nothing', ''],
    ['a star', '*'],
  ]

  it.each(nearMisses)('S09 main never admits %s', async (_what, ref) => {
    expect(await statusFor('exact', { ref })).toBe(401)
  })

  it('S09 main admits main, and a missing claim is no match', async () => {
    expect(await statusFor('exact', { ref: 'main' })).toBe(200)
    expect(await statusFor('exact', { ref: undefined })).toBe(401)
    // A member of Object.prototype is not a claim.
    expect(await statusFor('exact', { toString: 'main' })).toBe(401)
  })

  it('S09 several values of one claim mean either of them, and nothing between', async () => {
    expect(await statusFor('either', { ref: 'main' })).toBe(200)
    expect(await statusFor('either', { ref: 'release' })).toBe(200)
    for (const ref of ['main,release', 'mainrelease', 'main release', '["main","release"]'])
      expect(await statusFor('either', { ref })).toBe(401)
  })

  it('S09 main|dev is a literal', async () => {
    expect(await statusFor('literal', { ref: 'main|dev' })).toBe(200)
    for (const ref of ['main', 'dev', 'main|', '|dev', 'dev|main'])
      expect(await statusFor('literal', { ref })).toBe(401)
  })

  it.each(metacharacters)('S09 nothing but * is special: the pattern %s is a literal', async (pattern) => {
    const name = `meta-${metacharacters.indexOf(pattern)}`
    expect(await statusFor(name, { ref: pattern })).toBe(200)
    for (const ref of ['main', 'maiin', 'man', 'xmain', 'mainx'])
      expect(await statusFor(name, { ref })).toBe(401)
  })

  const wildMisses = [
    'repo:acme/web/more:ref:refs/heads/rel-1-x',
    'repo:acme/web:environment:x:ref:refs/heads/rel-1-x',
    'repo:acme/web:ref:refs/heads/rel-1-y',
    'repo:acme/web:ref:refs/heads/rel-1/2-x',
    'repo:acme/web:ref:refs/heads/rel-1:2-x',
    'repo:acme/web:ref:refs/heads/rel-x',
    'repo:acme/web\n:ref:refs/heads/rel-1-x',
    'repo:acme/we\u0000b:ref:refs/heads/rel-1-x',
    'repo:ACME/web:ref:refs/heads/rel-1-x',
    'repo:acmeevil/web:ref:refs/heads/rel-1-x',
    'xrepo:acme/web:ref:refs/heads/rel-1-x',
    'repo:acme/web:ref:refs/heads/rel-1-x\n',
    'repo:acme/web:ref:refs/heads/rel-1-x:more',
    'repo:acme:ref:refs/heads/rel-1-x',
  ]

  it.each(wildMisses)('S09 * never crosses a separator or a control character: %j', async (ref) => {
    expect(await statusFor('wild', { ref })).toBe(401)
  })

  it('S09 * stands for any run of other characters, none included', async () => {
    for (const ref of [
      'repo:acme/web:ref:refs/heads/rel-1-x',
      'repo:acme/:ref:refs/heads/rel--x',
      'repo:acme/a.b|c:ref:refs/heads/rel-1-x-x',
    ])
      expect(await statusFor('wild', { ref })).toBe(200)
  })

  it('S09 an id beyond 2^53 is no match for its neighbour', async () => {
    const claims = issuer.claims(broker.url, { sub: 'workload:number', ref: 9007199254740992 })
    const answer = await broker.ask('vault/rules', await issuer.sign(claims))
    expect(answer).toMatchObject({ status: 401, code: 'identity_invalid' })
  })

  it('S09 what a rule refuses is refused exactly, and what can not be told from it', async () => {
    await broker.manage('POST', '/v1/projects', { name: 'refusing' })
    await broker.manage('POST', '/v1/projects/refusing/trust', {
      environment: 'production',
      issuer: issuer.url,
      claims: { sub: 'workload:refusing' },
      refuse: { event: ['pull_request_target', 'debug'] },
    })
    await attach(broker, 'vault/rules', 'refusing')
    for (const event of [undefined, 'push', 'pull_request', 'Debug'])
      expect(await statusFor('refusing', { event })).toBe(200)
    for (const event of ['pull_request_target', 'debug', ['debug'], ['push'], { debug: true }])
      expect(await statusFor('refusing', { event })).toBe(401)
  })

  it('S09 a rule holds from the moment it was added, whatever rules its issuer had before', async () => {
    const identity = await issuer.identity(broker.url, { sub: 'workload:late' })
    await broker.manage('POST', '/v1/projects', { name: 'late' })
    expect((await broker.ask('vault/rules', identity)).code).toBe('identity_invalid')
    await broker.manage('POST', '/v1/projects/late/trust', {
      environment: 'production',
      issuer: issuer.url,
      claims: { sub: 'workload:late' },
    })
    await attach(broker, 'vault/rules', 'late')
    expect((await broker.ask('vault/rules', identity)).status).toBe(200)
  })

  it('S09 an ambiguity ends with the rule that made it', async () => {
    const rules: string[] = []
    for (const name of ['left', 'right']) {
      const { ruleId } = await createProject(broker, issuer, name, { claims: { sub: 'workload:both' } })
      await attach(broker, 'vault/rules', name)
      rules.push(ruleId)
    }
    const identity = await issuer.identity(broker.url, { sub: 'workload:both' })
    expect((await broker.ask('vault/rules', identity)).code).toBe('identity_ambiguous')
    await broker.manage('DELETE', `/v1/projects/right/trust/${rules[1]}`)
    expect((await broker.ask('vault/rules', identity)).status).toBe(200)
  })

  it('S09 a removed rule admits nobody, at any door, from the moment its removal was answered', async () => {
    const { ruleId, identity } = await createProject(broker, issuer, 'leaver')
    await attach(broker, 'vault/rules', 'leaver')
    const token = await identity()
    expect((await broker.ask('vault/rules', token)).status).toBe(200)
    expect((await broker.call('GET', '/v1/access-tokens/self', { token })).status).toBe(200)
    await broker.manage('DELETE', `/v1/projects/leaver/trust/${ruleId}`)
    const subject = { body: { subject: { type: 'app' } } }
    const answers = {
      // First what has no other reason to look at the rules again.
      self: await broker.call('GET', '/v1/access-tokens/self', { token }),
      projects: await broker.call('GET', '/v1/projects', { token }),
      token: await broker.ask('vault/rules', token),
      connector: await broker.call('GET', '/v1/connect/connectors/vault%2Frules', { token }),
      revoke: await broker.call('DELETE', '/v1/connect/connectors/vault%2Frules/tokens', {
        token,
        ...subject,
      }),
    }
    const codes = Object.entries(answers).map(([door, answer]) => [door, answer.code])
    expect(Object.fromEntries(codes)).toEqual({
      self: 'identity_invalid',
      projects: 'identity_invalid',
      token: 'identity_invalid',
      connector: 'identity_invalid',
      revoke: 'identity_invalid',
    })
  })

  it('S09 an identity that two projects match is refused', async () => {
    for (const name of ['twin-one', 'twin-two']) {
      await createProject(broker, issuer, name, { claims: { sub: 'workload:twin' } })
      await attach(broker, 'vault/rules', name)
    }
    const answer = await broker.ask(
      'vault/rules',
      await issuer.identity(broker.url, { sub: 'workload:twin' }),
    )
    expect(answer).toMatchObject({ status: 401, code: 'identity_ambiguous' })
    expect(answer.text).not.toMatch(/twin-one|twin-two|prj_/)
  })

  it('S09 an identity that two environments of one project match is refused', async () => {
    await createProject(broker, issuer, 'two-worlds', { claims: { sub: 'workload:worlds' } })
    await broker.manage('POST', '/v1/projects/two-worlds/trust', {
      environment: 'preview',
      issuer: issuer.url,
      claims: { sub: 'workload:w*' },
    })
    await attach(broker, 'vault/rules', 'two-worlds', { environments: ['production', 'preview'] })
    const answer = await broker.ask(
      'vault/rules',
      await issuer.identity(broker.url, { sub: 'workload:worlds' }),
    )
    expect(answer).toMatchObject({ status: 401, code: 'identity_ambiguous' })
  })

  it('S09 two rules that name one project and environment are no ambiguity', async () => {
    await createProject(broker, issuer, 'same', { claims: { sub: 'workload:same' } })
    await broker.manage('POST', '/v1/projects/same/trust', {
      environment: 'production',
      issuer: issuer.url,
      claims: { sub: 'workload:sam*' },
    })
    await attach(broker, 'vault/rules', 'same')
    const identity = await issuer.identity(broker.url, { sub: 'workload:same' })
    expect((await broker.ask('vault/rules', identity)).status).toBe(200)
  })
})
