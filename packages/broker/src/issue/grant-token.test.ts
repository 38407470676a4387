import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findConnector, updateConnector } from '../store/connectors.ts'
import { giveLeaseBack, storeRefreshed, takeLease } from '../store/grant-lease.ts'
import { makeDefault, readGrant } from '../store/grants.ts'
import { openCredential } from './grant-credential.ts'
import { createGrantWork } from './grant-work.ts'
import { startTestBroker, type TestBroker, type TestProject } from './test-broker.ts'
import { createRotatingProvider, credentialUntil, plantGrant, type RotatingProvider } from './test-grants.ts'

let broker: TestBroker
let provider: RotatingProvider

beforeAll(async () => {
  broker = await startTestBroker({
    consent: (now) => {
      provider = createRotatingProvider(now)
      return provider.consent
    },
  })
})
afterAll(() => broker.close())

const ann = { subject: { type: 'user', id: 'ann' } }

/** A project whose user `ann` has a grant; the provider starts over. */
async function projectOfAnn(
  options: {
    readonly lifeMs?: number | null
    readonly ceiling?: object
    readonly installationId?: string
    readonly kind?: 'installation'
  } = {},
): Promise<{ project: TestProject; grantId: string }> {
  Object.assign(
    provider,
    createRotatingProvider(() => broker.clock.now),
    { consent: provider.consent },
  )
  const project = await broker.project(options.ceiling)
  const { lifeMs = 3_600_000, installationId = '', kind = 'user' } = options
  const grantId = await plantGrant(broker.context, {
    connector: `fake/${project.name}`,
    project: project.name,
    ...(kind === 'user' ? { userId: 'ann' } : { kind }),
    installationId,
    credential: credentialUntil(lifeMs === null ? null : broker.clock.now + lifeMs),
  })
  return { project, grantId }
}

async function stateOf(id: string) {
  const row = await readGrant(broker.context.db, id)
  if (row === undefined) throw new Error('gone')
  return row
}

describe('a token for a user', () => {
  it('is the one of the grant while it lasts, without a call to the provider', async () => {
    const { project } = await projectOfAnn()
    const [one, two] = [await project.ask(ann), await project.ask({ ...ann, scopes: ['read'] })]
    expect([one.status, one.body.token, two.body.token]).toEqual([200, 'access-0', 'access-0'])
    expect(two.body.tokenId).toBe(one.body.tokenId)
    expect(two.body.granted?.scopes).toEqual(['read', 'write'])
    expect(provider.calls.refreshes).toBe(0)
    expect(await project.tokenEvents()).toEqual(['token_issued', 'token_issued'])
  })

  it('S15 S39 needs the consent of that user, vouched for by that issuer, in that project', async () => {
    const { project } = await projectOfAnn()
    const stranger = await project.ask({ subject: { type: 'user', id: 'bob' } })
    expect([stranger.status, stranger.body.error?.code]).toEqual([422, 'user_authorization_required'])
    const vouched = await project.ask({ subject: { type: 'user', id: 'ann', issuer: 'https://idp.test' } })
    expect(vouched.body.error?.code).toBe('user_authorization_required')
    const other = await broker.project()
    expect((await other.ask(ann)).body.error?.code).toBe('user_authorization_required')
  })

  it('S39 is shared by attachments that an operator put into one namespace, and by no other', async () => {
    const project = await broker.project()
    const path = `${project.connectorPath}/projects`
    await broker.manage('POST', '/v1/projects', { name: `${project.name}-b` })
    for (const name of [project.name, `${project.name}-b`]) {
      await broker.manage('POST', `${path}/${name}`, { environments: ['development'], userNamespace: 'all' })
    }
    const credential = credentialUntil(broker.clock.now + 3_600_000)
    const connector = `fake/${project.name}`
    await plantGrant(broker.context, { connector, project: `${project.name}-b`, userId: 'ann', credential })
    expect((await project.ask(ann)).body.token).toBe('access-0')
    await broker.manage('POST', `${path}/${project.name}`, {
      environments: ['development'],
      userNamespace: 'other',
    })
    expect((await project.ask(ann)).body.error?.code).toBe('user_authorization_required')
  })

  it('asks for consent again when more is wanted than was granted', async () => {
    const { project } = await projectOfAnn()
    const answer = await project.ask({ ...ann, scopes: ['admin'] })
    expect([answer.status, answer.body.error?.code]).toEqual([422, 'user_authorization_required'])
  })
})

describe('a refresh', () => {
  it('S18 happens once for many who ask at the same moment', async () => {
    const { project, grantId } = await projectOfAnn({ lifeMs: -1_000 })
    const answers = await Promise.all(Array.from({ length: 20 }, () => project.ask(ann)))
    expect(new Set(answers.map(({ body }) => body.token))).toEqual(new Set(['access-1']))
    expect(provider.calls).toMatchObject({ refreshes: 1, reuses: 0 })
    expect((await stateOf(grantId)).lease_holder).toBeNull()
  })

  it('replaces a rejected token once, and serves the new one to whoever still reports the old', async () => {
    const { project } = await projectOfAnn({ lifeMs: null })
    const rejectedTokenId = (await project.ask(ann)).body.tokenId
    expect((await project.ask({ ...ann, rejectedTokenId })).body.token).toBe('access-1')
    expect((await project.ask({ ...ann, rejectedTokenId })).body.token).toBe('access-1')
    expect(provider.calls.refreshes).toBe(1)
  })

  it('S19 keeps a rotated token whose answer turns out to be unusable, and goes on from it', async () => {
    const { project, grantId } = await projectOfAnn({ lifeMs: -1_000 })
    const refresh = provider.consent.refresh
    let failed = false
    Object.assign(provider.consent, {
      refresh: async (...[settings, credential, access, keep]: Parameters<NonNullable<typeof refresh>>) =>
        refresh?.(settings, credential, access, async (rotated) => {
          await keep(rotated)
          if (!failed) {
            failed = true
            throw new DOMException('the rest of the answer never came', 'TimeoutError')
          }
        }),
    })
    try {
      expect((await project.ask(ann)).status).toBe(502)
      expect(openCredential(broker.context.keyRing, await stateOf(grantId)).refreshToken).toBe('refresh-1')
      expect((await project.ask(ann)).body.token).toBe('access-2')
      expect(provider.calls.reuses).toBe(0)
    } finally {
      Object.assign(provider.consent, { refresh })
    }
  })

  it('S20 that the provider refuses for good asks for consent, and is never tried again', async () => {
    const { project, grantId } = await projectOfAnn({ lifeMs: -1_000 })
    provider.good = 'another'
    expect((await project.ask(ann)).body.error?.code).toBe('user_authorization_required')
    expect((await stateOf(grantId)).state).toBe('consent_needed')
    expect((await project.ask(ann)).body.error?.code).toBe('user_authorization_required')
    expect(provider.calls.reuses).toBe(1)
  })

  it('S20 looks at the store once more before it gives a grant up', async () => {
    const { project, grantId } = await projectOfAnn({ lifeMs: -1_000 })
    provider.beforeRefresh = async () => {
      provider.beforeRefresh = async () => undefined
      await plantGrant(broker.context, {
        connector: `fake/${project.name}`,
        project: project.name,
        userId: 'ann',
        credential: { ...credentialUntil(broker.clock.now + 3_600_000), accessToken: 'access-new' },
      })
      return { outcome: 'ended' }
    }
    expect((await project.ask(ann)).body.token).toBe('access-new')
    expect((await stateOf(grantId)).state).toBe('active')
  })

  it('S18 of a holder that lost its lease stores nothing and unlocks nothing', async () => {
    const { grantId } = await projectOfAnn({ lifeMs: -1_000 })
    const { db } = broker.context
    const seen = { id: grantId, credentialVersion: 1 }
    const first = await takeLease(db, seen, { holder: 'one', leaseMs: 0 })
    const second = await takeLease(db, seen, { holder: 'two', leaseMs: 60_000 })
    if (first === undefined || second === undefined) throw new Error('no lease')
    expect(await takeLease(db, seen, { holder: 'three', leaseMs: 60_000 })).toBeUndefined()
    const refreshed = {
      credential: 'sealed',
      credentialVersion: 2,
      scopes: [],
      refreshable: true,
      accessExpiresAt: null,
      now: broker.clock.now,
      done: true,
    }
    expect(await storeRefreshed(db, first.lease, refreshed)).toBe(false)
    await giveLeaseBack(db, first.lease)
    expect((await stateOf(grantId)).lease_holder).toBe('two')
    expect(await storeRefreshed(db, second.lease, refreshed)).toBe(true)
  })

  it('S40 across a revocation is refused, and what it brought is ended at the provider', async () => {
    const { project, grantId } = await projectOfAnn({ lifeMs: -1_000 })
    provider.afterRotation = async () => {
      provider.afterRotation = async () => {}
      await project.call('DELETE', `${project.connectorPath}/tokens`, ann)
    }
    const answer = await project.ask(ann)
    expect(answer.status).not.toBe(200)
    expect(answer.body.token).toBeUndefined()
    await createGrantWork(broker.context, { everyMs: 3_600_000 }).runOnce()
    expect(provider.calls.endings.at(-1)).toBe('refresh-1')
    expect(await stateOf(grantId)).toMatchObject({
      state: 'ended',
      revoke_outcome: 'revoked',
      revoke_at: null,
    })
  })

  it('comes ahead of the end for a grant in use, and not for one that nobody asked for since', async () => {
    await broker.context.db.deleteFrom('grants').execute()
    const { project, grantId } = await projectOfAnn()
    const work = createGrantWork(broker.context, { everyMs: 3_600_000 })
    broker.clock.now += 3_400_000
    await work.runOnce()
    expect(provider.calls.refreshes).toBe(0)
    await project.ask(ann)
    await work.runOnce()
    expect(provider.calls.refreshes).toBe(1)
    expect((await stateOf(grantId)).lease_holder).toBeNull()
    broker.clock.now += 3_400_000
    await work.runOnce()
    expect(provider.calls.refreshes).toBe(1)
    expect((await project.ask(ann)).body.token).toBe('access-1')
  })
})

describe('a revocation', () => {
  it('S40 ends the grant of one user at once, at the provider too, and no one else’s', async () => {
    const { project } = await projectOfAnn()
    await plantGrant(broker.context, {
      connector: `fake/${project.name}`,
      project: project.name,
      userId: 'bob',
      credential: credentialUntil(broker.clock.now + 3_600_000),
    })
    const ended = await project.call('DELETE', `${project.connectorPath}/tokens`, ann)
    expect(ended).toMatchObject({ status: 200, body: { tokensFound: 1, providerRevoked: 1 } })
    expect((await project.ask(ann)).body.error?.code).toBe('user_authorization_required')
    expect((await project.ask({ subject: { type: 'user', id: 'bob' } })).status).toBe(200)
    expect(provider.calls.endings).toEqual(['refresh-0'])
  })

  it('that fails at the provider is tried again in the background until it succeeds', async () => {
    const { project, grantId } = await projectOfAnn()
    const endGrant = provider.consent.endGrant
    Object.assign(provider.consent, { endGrant: () => Promise.reject(new Error('away')) })
    const ended = await project.call('DELETE', `${project.connectorPath}/tokens`, ann)
    expect(ended).toMatchObject({ body: { providerFailed: 1 } })
    expect(await stateOf(grantId)).toMatchObject({ state: 'ended', revoke_outcome: 'failed' })
    Object.assign(provider.consent, { endGrant })
    await createGrantWork(broker.context, { everyMs: 3_600_000 }).runOnce()
    expect(await stateOf(grantId)).toMatchObject({ revoke_outcome: 'revoked', revoke_at: null })
  })

  it('S27 of everything, or of an installation, needs an operator', async () => {
    const { project } = await projectOfAnn({ kind: 'installation', installationId: 'T1' })
    expect((await project.call('DELETE', `${project.connectorPath}/tokens`, {})).status).toBe(403)
    await project.call('DELETE', `${project.connectorPath}/tokens`, { subject: { type: 'app' } })
    expect((await project.ask()).body.token).toBe('access-0')
    await broker.manage('DELETE', `${project.connectorPath}/tokens`, { installationId: 'T1' })
    expect((await project.ask({ subject: { type: 'app' }, installationId: 'T1' })).body.token).not.toBe(
      'access-0',
    )
  })

  it('comes with a change of where credentials are sent, and goes to neither place', async () => {
    const { project, grantId } = await projectOfAnn()
    const { db } = broker.context
    const connector = await findConnector(db, `fake/${project.name}`)
    if (connector === undefined) throw new Error('gone')
    const settings = { configuration: { apiUrl: 'https://else.test' }, secrets: 'sealed', version: 2 }
    await updateConnector(db, connector, { settings, endsGrants: true, now: broker.clock.now })
    expect(await stateOf(grantId)).toMatchObject({ state: 'ended', revoke_at: null })
    await createGrantWork(broker.context, { everyMs: 3_600_000 }).runOnce()
    expect(provider.calls.endings).toEqual([])
    expect((await project.ask(ann)).body.error?.code).toBe('user_authorization_required')
  })

  it('comes with the removal of the attachment, the project and the connector', async () => {
    for (const remove of ['attachment', 'project', 'connector'] as const) {
      const { project, grantId } = await projectOfAnn()
      const path = {
        attachment: `${project.connectorPath}/projects/${project.name}`,
        project: `/v1/projects/${project.name}`,
        connector: project.connectorPath,
      }[remove]
      await broker.manage('DELETE', path)
      expect((await stateOf(grantId)).state).toBe('ended')
      await createGrantWork(broker.context, { everyMs: 3_600_000 }).runOnce()
      expect((await stateOf(grantId)).revoke_outcome).toBe('revoked')
    }
  })
})

describe('a token for an installation', () => {
  it('is that of the default, or of the one that is named, and of no other', async () => {
    const { project } = await projectOfAnn({ kind: 'installation', installationId: 'T1' })
    const second = await plantGrant(broker.context, {
      connector: `fake/${project.name}`,
      project: project.name,
      kind: 'installation',
      installationId: 'T2',
      credential: { ...credentialUntil(null), accessToken: 'access-T2' },
    })
    expect((await project.ask()).body.token).toBe('access-0')
    const named = await project.ask({ subject: { type: 'app' }, installationId: 'T2' })
    expect(named.body).toMatchObject({ token: 'access-T2', standing: true })
    const { connector_id: connectorId } = await stateOf(second)
    expect(await makeDefault(broker.context.db, connectorId, second)).toBe(true)
    expect((await project.ask()).body.token).toBe('access-T2')
  })
})
