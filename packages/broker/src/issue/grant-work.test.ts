import type { ConsentDriver } from '@valetkey/connectors'
import type { Kysely } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BrokerContext } from '../context.ts'
import { findConnector, updateConnector } from '../store/connectors.ts'
import { noteUse } from '../store/grant-lease.ts'
import { readGrant } from '../store/grants.ts'
import type { Schema } from '../store/schema.ts'
import { sealSecrets } from './connector-settings.ts'
import { createGrantWork } from './grant-work.ts'
import { endEachAtProvider } from './revoke-tokens.ts'
import { startTestBroker, type TestBroker, type TestProject } from './test-broker.ts'
import { createRotatingProvider, credentialUntil, plantGrant, type RotatingProvider } from './test-grants.ts'

let broker: TestBroker
let provider: RotatingProvider
let asBuilt: ConsentDriver

beforeAll(async () => {
  broker = await startTestBroker({
    consent: (now) => {
      provider = createRotatingProvider(now)
      asBuilt = { ...provider.consent }
      return provider.consent
    },
  })
})
afterAll(() => broker.close())

beforeEach(async () => {
  await broker.context.db.deleteFrom('grants').execute()
  const fresh = createRotatingProvider(() => broker.clock.now)
  Object.assign(provider, fresh, { consent: provider.consent })
})
afterEach(() => {
  Object.assign(provider.consent, asBuilt)
})

const ann = { subject: { type: 'user', id: 'ann' } }
const round = () => createGrantWork(broker.context, { everyMs: 3_600_000 }).runOnce()

function createGate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

async function stateOf(id: string) {
  const row = await readGrant(broker.context.db, id)
  if (row === undefined) throw new Error('gone')
  return row
}

function plant(
  project: TestProject,
  userId: string,
  lifeMs = 3_600_000,
  externalSubject?: string,
): Promise<string> {
  const credential = credentialUntil(broker.clock.now + lifeMs)
  return plantGrant(broker.context, {
    connector: `fake/${project.name}`,
    project: project.name,
    userId,
    credential: { ...credential, accessToken: `access-of-${userId}` },
    ...(externalSubject === undefined ? {} : { identity: { externalSubject } }),
  })
}

/** Grants in use, about to end one after another. */
async function plantDue(project: TestProject, userIds: readonly string[]): Promise<readonly string[]> {
  const ids: string[] = []
  for (const [index, userId] of userIds.entries()) ids.push(await plant(project, userId, 10_000 + index))
  broker.clock.now += 1
  await noteUse(broker.context.db, ids, broker.clock.now)
  broker.clock.now += 9_900
  return ids
}

/** What happens when an operator gives a connector another place. */
async function moveElsewhere(project: TestProject): Promise<void> {
  const { db, keyRing } = broker.context
  const connector = await findConnector(db, `fake/${project.name}`)
  if (connector === undefined) throw new Error('gone')
  const version = connector.version + 1
  const settings = {
    configuration: { apiUrl: 'https://else.test' },
    secrets: sealSecrets(keyRing, connector.id, version, { key: 'secret' }),
    version,
  }
  const moved = await updateConnector(db, connector, { settings, endsGrants: true, now: broker.clock.now })
  expect(moved).toMatchObject({ version })
}

/** A broker to which something happens each time just before it reads a connector: after it took or claimed a grant. */
function withBefore(happens: () => Promise<void>): BrokerContext {
  function around<Target extends object>(target: Target): Target {
    return new Proxy(target, {
      get(of, name) {
        const member: unknown = Reflect.get(of, name, of)
        if (typeof member !== 'function') return member
        if (name !== 'executeTakeFirst') return (...args: unknown[]) => around(member.apply(of, args))
        return async () => {
          await happens()
          return member.apply(of, [])
        }
      },
    })
  }
  const db: Kysely<Schema> = new Proxy(broker.context.db, {
    get(of, name) {
      const member: unknown = Reflect.get(of, name, of)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        const result: unknown = member.apply(of, args)
        const reads = name === 'selectFrom' && args[0] === 'connectors'
        return reads && typeof result === 'object' && result !== null ? around(result) : result
      }
    },
  })
  return { ...broker.context, db }
}

function auditedEndings(): Promise<readonly unknown[]> {
  return broker
    .manage('GET', '/v1/audit/events?limit=100&kind=grant_ended_at_provider')
    .then(({ events }) => (events as { details: unknown }[]).map(({ details }) => details))
}

describe('ending at the provider', () => {
  it('ends what a refresh brought while the credential before it was being ended', async () => {
    const project = await broker.project()
    const grantId = await plant(project, 'ann', 0)
    const rotated = createGate()
    const goOn = createGate()
    provider.afterRotation = async () => {
      rotated.open()
      await goOn.opened
    }
    const asked = project.ask(ann)
    await rotated.opened
    Object.assign(provider.consent, {
      endGrant: async (...args: Parameters<NonNullable<ConsentDriver['endGrant']>>) => {
        // The refresh comes to its end while the provider answers the revocation.
        goOn.open()
        await asked
        return asBuilt.endGrant?.(...args)
      },
    })
    await project.call('DELETE', `${project.connectorPath}/tokens`, ann)
    expect((await asked).body.token).toBeUndefined()
    expect(provider.calls.endings).toEqual(['refresh-0'])
    expect(await stateOf(grantId)).toMatchObject({ revoke_outcome: null, credential_version: 2 })
    await round()
    expect(provider.calls.endings).toEqual(['refresh-0', 'refresh-1'])
    expect(await stateOf(grantId)).toMatchObject({ revoke_outcome: 'revoked', revoke_at: null })
  })

  it('S40 sends nothing of a grant that was claimed before its connector got another place', async () => {
    const project = await broker.project()
    const ids = [await plant(project, 'ann'), await plant(project, 'bob')]
    for (const id of ids) await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
    let moves = 0
    const context = withBefore(async () => {
      if (moves++ === 0) await moveElsewhere(project)
    })
    await createGrantWork(context, { everyMs: 3_600_000 }).runOnce()
    expect(moves).toBeGreaterThan(0)
    expect(provider.calls.endings).toEqual([])
    for (const id of ids) expect(await stateOf(id)).toMatchObject({ state: 'ended', revoke_at: null })
  })

  it('S40 sends nothing of a revocation that its connector’s change of place overtook', async () => {
    const project = await broker.project()
    const id = await plant(project, 'ann')
    await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
    const grants = [await stateOf(id)]
    const context = withBefore(() => moveElsewhere(project))
    const answer = await endEachAtProvider(context, { tokens: [], grants })
    expect(answer).toMatchObject({ providerRevoked: 0, providerSkipped: 1, providerFailed: 0 })
    expect(provider.calls.endings).toEqual([])
  })

  it('does not try again at another place what failed while the place changed', async () => {
    const project = await broker.project()
    const id = await plant(project, 'ann')
    await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
    Object.assign(provider.consent, {
      endGrant: async () => {
        await moveElsewhere(project)
        throw new Error('away')
      },
    })
    await round()
    expect(await stateOf(id)).toMatchObject({ revoke_outcome: 'failed', revoke_at: null })
  })

  it('leaves a grant to whoever claimed it after this claim was over', async () => {
    const project = await broker.project()
    const id = await plant(project, 'ann')
    await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
    const claimed = { ...(await stateOf(id)), revoke_at: broker.clock.now - 1 }
    const answer = await endEachAtProvider(broker.context, { tokens: [], grants: [claimed] })
    expect(answer).toMatchObject({ providerFailed: 1 })
    expect(provider.calls.endings).toEqual([])
  })

  it('tells the driver where another living grant is of the same account', async () => {
    const project = await broker.project()
    const other = await broker.project()
    const first = await plant(project, 'ann', undefined, 'octocat')
    const second = await plant(project, 'bob', undefined, 'octocat')
    const third = await plant(project, 'cas', undefined, 'hubot')
    await plant(other, 'ann', undefined, 'hubot')
    const told: boolean[] = []
    const endGrant: ConsentDriver['endGrant'] = async (_settings, _credential, _access, about) => {
      told.push(about.accountInUse)
      return 'revoked'
    }
    Object.assign(provider.consent, { endGrant })
    for (const id of [first, second, third]) {
      await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
      await round()
    }
    // The second is the last of its account; the account of the third lives on at another connector only.
    expect(told).toEqual([true, false, false])
    Object.assign(provider.consent, asBuilt)
  })

  it('is audited for each grant, whether the revocation itself or the background did it', async () => {
    const project = await broker.project()
    const id = await plant(project, 'ann')
    Object.assign(provider.consent, { endGrant: () => Promise.reject(new Error('away')) })
    await project.call('DELETE', `${project.connectorPath}/tokens`, ann)
    Object.assign(provider.consent, asBuilt)
    await round()
    expect((await auditedEndings()).slice(0, 2)).toEqual([
      { grant: id, outcome: 'revoked', attempt: 1, final: true },
      { grant: id, outcome: 'failed', attempt: 0, final: false },
    ])
  })

  it('calls one provider four times at once, and goes on to the next though one hangs', async () => {
    const [slow, quick] = [await broker.project(), await broker.project()]
    for (const project of [slow, quick]) {
      for (let n = 0; n < 9; n++) {
        const id = await plant(project, `u${n}`)
        await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
      }
    }
    const goOn = createGate()
    const slowId = (await findConnector(broker.context.db, `fake/${slow.name}`))?.id
    await broker.context.db
      .updateTable('connectors')
      .set({ configuration: JSON.stringify({ apiUrl: 'https://slow.test' }) })
      .where('id', '=', slowId ?? '')
      .execute()
    let hanging = 0
    let ended = 0
    const endGrant: ConsentDriver['endGrant'] = async ({ configuration }) => {
      if (configuration.apiUrl === 'https://slow.test') {
        hanging++
        await goOn.opened
      } else ended++
      return 'revoked'
    }
    Object.assign(provider.consent, { endGrant })
    const rounds = round()
    await expect.poll(() => ended).toBe(9)
    expect(hanging).toBe(4)
    goOn.open()
    await rounds
    expect(hanging).toBe(9)
  })
})

describe('refreshing ahead', () => {
  it('goes on with the others when one grant can not be opened', async () => {
    const project = await broker.project()
    const [bad, good] = await plantDue(project, ['bad', 'good'])
    if (bad === undefined || good === undefined) throw new Error('nothing planted')
    const broken = { credential: 'v1.broken.x' }
    await broker.context.db.updateTable('grants').set(broken).where('id', '=', bad).execute()
    await round()
    expect(provider.calls.refreshes).toBe(1)
    expect(await stateOf(good)).toMatchObject({ refresh_attempts: 0, refresh_retry_at: null })
    expect(await stateOf(bad)).toMatchObject({
      state: 'active',
      lease_holder: null,
      refresh_attempts: 1,
      refresh_retry_at: broker.clock.now + 10_000,
    })
  })

  it('tries what failed later and later, and starts over with the first success', async () => {
    const project = await broker.project()
    const [id] = await plantDue(project, ['ann'])
    if (id === undefined) throw new Error('nothing planted')
    let calls = 0
    provider.beforeRefresh = async () => {
      calls++
      return { outcome: 'refused', message: 'invalid_client' }
    }
    await round()
    broker.clock.now += 9_999
    await round()
    expect(calls).toBe(1)
    broker.clock.now += 1
    await round()
    expect([calls, (await stateOf(id)).refresh_retry_at]).toEqual([2, broker.clock.now + 20_000])
    provider.beforeRefresh = async () => undefined
    // Whoever asks does not wait for it.
    expect((await project.ask(ann)).body.token).toBe('access-1')
    expect(await stateOf(id)).toMatchObject({ refresh_attempts: 0, refresh_retry_at: null })
  })

  it('comes to every grant, though fifty of them are refused in every round', async () => {
    const project = await broker.project()
    const refused = Array.from({ length: 50 }, (_, n) => `u${n}`)
    const ids = await plantDue(project, [...refused, 'last'])
    const asked: string[] = []
    Object.assign(provider.consent, {
      refresh: async (...args: Parameters<NonNullable<ConsentDriver['refresh']>>) => {
        asked.push(args[1].accessToken ?? '')
        return args[1].accessToken === 'access-of-last'
          ? asBuilt.refresh?.(...args)
          : { outcome: 'refused', message: 'invalid_client' }
      },
    })
    await round()
    expect(asked).toHaveLength(50)
    // All fifty are due again; who has not had a turn yet comes first.
    broker.clock.now += 10_000
    await round()
    expect(asked[50]).toBe('access-of-last')
    expect((await stateOf(ids.at(-1) ?? '')).credential_version).toBeGreaterThan(1)
  })

  it('leaves out short-lived tokens that have time yet, before it counts fifty', async () => {
    const project = await broker.project()
    const young: string[] = []
    for (let n = 0; n < 50; n++) young.push(await plant(project, `u${n}`, 60_000))
    const due = await plant(project, 'ann', 200_000)
    broker.clock.now += 1
    await noteUse(broker.context.db, [...young, due], broker.clock.now)
    // The others are obtained anew, so that they end sooner and still have more than a fifth of their life.
    broker.clock.now += 170_000
    await broker.context.db
      .updateTable('grants')
      .set({ obtained_at: broker.clock.now - 1, last_used_at: broker.clock.now })
      .set({ access_expires_at: broker.clock.now + 20_000 })
      .where('id', 'in', young)
      .execute()
    await round()
    expect(provider.calls.refreshes).toBe(1)
    expect((await stateOf(due)).credential_version).toBeGreaterThan(1)
  })

  it('S40 sends nothing when its connector got another place after the lease was taken', async () => {
    const project = await broker.project()
    const [id] = await plantDue(project, ['ann'])
    const places: unknown[] = []
    const refresh: ConsentDriver['refresh'] = async ({ configuration }) => {
      places.push(configuration.apiUrl)
      return { outcome: 'refused', message: 'no' }
    }
    Object.assign(provider.consent, { refresh })
    let reads = 0
    const context = withBefore(async () => {
      // The first reading finds the driver, the second, under the lease, the settings.
      if (++reads === 2) await moveElsewhere(project)
    })
    await createGrantWork(context, { everyMs: 3_600_000 }).runOnce()
    expect(reads).toBe(2)
    expect(places).toEqual([])
    expect((await stateOf(id ?? '')).state).toBe('ended')
  })

  it('does not wait for a provider that hangs on endings', async () => {
    const project = await broker.project()
    const gone = await plant(project, 'gone')
    await broker.manage('DELETE', `${project.connectorPath}/grants/${gone}`)
    await plantDue(project, ['ann'])
    const goOn = createGate()
    Object.assign(provider.consent, { endGrant: () => goOn.opened.then(() => 'revoked' as const) })
    const work = createGrantWork(broker.context, { everyMs: 10 })
    work.start()
    try {
      await expect.poll(() => provider.calls.refreshes).toBe(1)
      expect((await stateOf(gone)).revoke_outcome).toBeNull()
    } finally {
      goOn.open()
      await work.stop()
    }
    expect((await stateOf(gone)).revoke_outcome).toBe('revoked')
  })

  it('goes on when the use of grants can not be noted', async () => {
    const project = await broker.project()
    await plantDue(project, ['ann'])
    const grantsInUse = { ...broker.context.grantsInUse, flush: () => Promise.reject(new Error('deadlock')) }
    await createGrantWork({ ...broker.context, grantsInUse }, { everyMs: 3_600_000 }).runOnce()
    expect(provider.calls.refreshes).toBe(1)
  })
})
