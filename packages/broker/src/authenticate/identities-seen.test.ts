import { describe, expect, it } from 'vitest'
import type { AuditEvent } from '../audit/event.ts'
import { accept, refuse } from '../refusal.ts'
import { createIdentitiesSeen, type SeenIdentity } from './identities-seen.ts'
import type { TrustRule } from './trust-rule.ts'

const issuer = 'https://issuer.example'
const rule: TrustRule = {
  id: 'trr_1',
  projectId: 'prj_1',
  projectName: 'shop',
  environment: 'production',
  issuer,
  audience: 'https://broker.example',
  claims: { sub: ['a'], sha: ['abc'] },
  refuse: { kind: ['debug'] },
  maxAgeSeconds: 600,
}
const admitted: SeenIdentity['outcome'] = accept({
  projectId: 'prj_1',
  projectName: 'shop',
  environment: 'production',
  issuer,
  subject: 'a',
  ruleId: 'trr_1',
})
const unmatched: SeenIdentity['outcome'] = refuse({ reason: 'claims_unmatched' })

function setUp() {
  const clock = { now: 1_800_000_000_000 }
  const events: AuditEvent[] = []
  const see = createIdentitiesSeen({ now: () => clock.now, record: (event) => events.push(event) })
  let tokens = 0
  const come = (change: Partial<SeenIdentity> & { readonly extra?: Record<string, unknown> } = {}) => {
    const { extra, ...rest } = change
    see({
      token: `token-${++tokens}`.padEnd(200, '.').concat(String(tokens)),
      issuer,
      claims: { iss: issuer, sub: 'a', aud: rule.audience, iat: 1, exp: 301, jti: String(tokens), ...extra },
      times: { iat: 1, exp: 301 },
      rules: [rule],
      outcome: admitted,
      ...rest,
    })
  }
  return { clock, events, come }
}

describe('identities seen', () => {
  it('are recorded once an hour for each outcome', () => {
    const { clock, events, come } = setUp()
    for (let times = 0; times < 3; times++) come()
    come({ outcome: unmatched })
    come({ outcome: refuse({ reason: 'identity_ambiguous' }) })
    const outcomes = () => events.map(({ details }) => details?.outcome)
    expect(outcomes()).toEqual(['admitted', 'claims_unmatched', 'identity_ambiguous'])
    clock.now += 3_600_000
    come()
    expect(outcomes()).toHaveLength(4)
  })

  it('are whose they were found to be, and the broker’s own word where nobody was', () => {
    const { events, come } = setUp()
    come()
    come({ outcome: unmatched })
    expect(events).toMatchObject([
      {
        kind: 'identity_seen',
        actor: { type: 'workload', projectId: 'prj_1', environment: 'production', ruleId: 'trr_1' },
        projectId: 'prj_1',
        environment: 'production',
      },
      { kind: 'identity_seen', actor: { type: 'broker' }, reason: 'claims_unmatched' },
    ])
    expect(events[1]).not.toHaveProperty('projectId')
    expect(events[0]?.details).toMatchObject({ subject: 'a', audience: rule.audience, lifeSeconds: 300 })
  })

  it('are the same whatever run they came from', () => {
    const { events, come } = setUp()
    for (const run_id of ['1', '2', '3']) come({ extra: { run_id, workflow: 'deploy' } })
    expect(events.map(({ details }) => details?.claims)).toEqual([{ workflow: 'deploy' }])
  })

  it('keep what rules ask for or refuse, also beside hundreds of other claims', () => {
    const { events, come } = setUp()
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`claim-${index}`, 'x']))
    come({ extra: { ...many, sha: 'abc', kind: 'job', long: 'x'.repeat(257) } })
    const claims = events[0]?.details?.claims as Record<string, string>
    expect(claims).toMatchObject({ sha: 'abc', kind: 'job' })
    expect(Object.keys(claims)).toHaveLength(40)
    expect(claims).not.toHaveProperty('long')
  })

  it('keep an id that is another platform’s noise', () => {
    const { events, come } = setUp()
    come({ issuer: 'https://agent.buildkite.com', extra: { pipeline_id: 'p1' } })
    come({ extra: { pipeline_id: 'p1' } })
    expect(events.map(({ details }) => details?.claims)).toEqual([{ pipeline_id: 'p1' }, {}])
  })

  it('never hold the token or its single-use id', () => {
    const { events, come } = setUp()
    come()
    expect(JSON.stringify(events)).not.toMatch(/token-1|jti/)
  })

  it('S29 of one issuer that nobody admits are at most a hundred an hour', () => {
    const { clock, events, come } = setUp()
    for (let index = 0; index < 300; index++)
      come({ extra: { sub: `stranger-${index}` }, outcome: unmatched })
    expect(events).toHaveLength(100)
    come({ issuer: 'https://other.example', outcome: unmatched })
    come()
    expect(events).toHaveLength(102)
    clock.now += 3_600_000
    come({ extra: { sub: 'stranger-300' }, outcome: unmatched })
    expect(events).toHaveLength(103)
  })

  it('S29 are at most a thousand an hour of a process', () => {
    const { events, come } = setUp()
    for (let index = 0; index < 1_200; index++) come({ extra: { sub: `workload-${index}` } })
    expect(events).toHaveLength(1_000)
  })

  it('are one, though the platform writes the run, the machine or the commit into the subject', () => {
    const shapes: readonly [string, (run: number) => string][] = [
      [
        'https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc',
        (run) => `{repository}:{environment}:{step-${run}}`,
      ],
      ['https://oidc.fly.io/acme', (run) => `acme:website:machine-${run}`],
      [
        'https://agent.buildkite.com',
        (run) => `organization:acme:pipeline:x:ref:main:commit:${run}:step:build`,
      ],
    ]
    for (const [platform, subject] of shapes) {
      const { events, come } = setUp()
      for (let run = 0; run < 5; run++) come({ issuer: platform, extra: { sub: subject(run) } })
      expect(events).toHaveLength(1)
    }
  })

  it('S29 of strangers leave half of an hour’s events to those who are admitted', () => {
    const { events, come } = setUp()
    for (let stranger = 0; stranger < 1_500; stranger++)
      come({
        issuer: `https://i${stranger % 20}.example`,
        outcome: unmatched,
        extra: { sub: `s${stranger}` },
      })
    expect(events).toHaveLength(500)
    for (let own = 0; own < 600; own++) come({ extra: { sub: `own${own}` } })
    expect(events).toHaveLength(1_000)
  })
})
