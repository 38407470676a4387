import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startConsentBroker } from '../consent/test-consent.ts'
import { readGrant } from '../store/grants.ts'
import { createGrantWork } from './grant-work.ts'
import { createRevocationWork } from './revocation-work.ts'
import { startTestBroker, type TestBroker } from './test-broker.ts'
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
const app = { subject: { type: 'app' } }
const tokenless = {
  accessExpiresAtMs: null,
  granted: { scopes: [], resources: [], authorizationDetails: [] },
}

/** The driver mints with the app's own key, for whichever installation it is asked. */
function mintForInstallations(): void {
  broker.provider.onMint = async (request, number) => ({
    outcome: 'minted',
    token: `installation-token-${number}`,
    expiresAtMs: broker.clock.now + 3_600_000,
    granted: { scopes: [], resources: [], authorizationDetails: [] },
    enforcedBy: 'provider',
    origins: ['https://api.fake.test'],
    installationId: request.installationId ?? '77',
  })
}

describe('the record of an installation', () => {
  it('ends with the tokens that were issued for it, and nothing is minted for it any more', async () => {
    const project = await broker.project()
    mintForInstallations()
    const connector = `fake/${project.name}`
    const installation = { kind: 'installation', installationId: '77', credential: tokenless } as const
    const id = await plantGrant(broker.context, { connector, project: project.name, ...installation })
    const issued = await project.ask(app)
    expect(issued.body).toMatchObject({ token: 'installation-token-1', installationId: '77' })
    await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
    expect(await project.ask(app)).toMatchObject({
      status: 422,
      body: { error: { code: 'connector_installation_required' } },
    })
    await createRevocationWork(broker.context, { everyMs: 3_600_000 }).runOnce()
    expect(broker.provider.revoked).toEqual(['installation-token-1'])
  })

  it('S40 keeps no token that was minted while it was ended', async () => {
    const project = await broker.project()
    mintForInstallations()
    const connector = `fake/${project.name}`
    const installation = { kind: 'installation', installationId: '77', credential: tokenless } as const
    const id = await plantGrant(broker.context, { connector, project: project.name, ...installation })
    const mint = broker.provider.onMint
    broker.provider.onMint = async (...request) => {
      await broker.manage('DELETE', `${project.connectorPath}/grants/${id}`)
      return mint(...request)
    }
    expect((await project.ask(app)).status).not.toBe(200)
    expect(broker.provider.revoked).toEqual(['installation-token-1'])
  })

  it('S02 S39 that one project made answers no other project of the same connector', async () => {
    const other = await broker.project()
    const project = await broker.project()
    mintForInstallations()
    const path = `${project.connectorPath}/projects/${other.name}`
    await broker.manage('POST', path, { environments: ['development'] })
    const connector = `fake/${project.name}`
    const installation = { kind: 'installation', installationId: '77', credential: tokenless } as const
    await plantGrant(broker.context, { connector, project: project.name, ...installation })
    for (const body of [app, { ...app, installationId: '77' }]) {
      const stolen = await other.call('POST', `/v1/connect/token/fake%2F${project.name}`, body)
      expect(stolen).toMatchObject({
        status: 422,
        body: { error: { code: 'connector_installation_required' } },
      })
    }
    expect(broker.provider.revoked).toHaveLength(2)
    expect((await project.ask(app)).status).toBe(200)
  })
})

describe('a consent', () => {
  it.each([
    ['everything', {}],
    ['its user', { subject: { type: 'user', id: 'u1' } }],
  ])('S40 given before a revocation of %s becomes no grant after it', async (_what, revoked) => {
    const consents = await startConsentBroker()
    try {
      const project = await consents.project()
      const began = await project.authorize({ returnUrl: 'https://app.test/back' })
      const { to } = await consents.browser().consent(began.request)
      const code = new URL(to ?? '').searchParams.get('code') ?? ''
      const path = `/v1/connect/connectors/${encodeURIComponent(project.uid)}/tokens`
      await consents.manage('DELETE', path, revoked)
      expect((await project.complete(began, code)).status).not.toBe(200)
      expect((await project.token()).status).toBe(422)
      expect(await project.status(began)).toBe('expired')
    } finally {
      await consents.close()
    }
  })
})

describe('a grant', () => {
  it('S16 that holds more than the ceiling allows now is not handed out', async () => {
    const project = await broker.project({ scopes: ['read', 'write'] })
    await plantGrant(broker.context, {
      connector: `fake/${project.name}`,
      project: project.name,
      userId: 'ann',
      credential: credentialUntil(broker.clock.now + 3_600_000),
    })
    expect((await project.ask(ann)).status).toBe(200)
    await broker.manage('POST', `${project.connectorPath}/projects/${project.name}`, {
      environments: ['development'],
      scopes: ['read'],
    })
    const refused = await project.ask(ann)
    expect(refused.body.error).toMatchObject({ code: 'user_authorization_required' })
    expect(refused.body.error?.message).toContain('scopes write')
  })

  it('of another account takes the place of the one before, which is ended at the provider', async () => {
    const project = await broker.project()
    Object.assign(
      provider,
      createRotatingProvider(() => broker.clock.now),
      { consent: provider.consent },
    )
    const place = { connector: `fake/${project.name}`, project: project.name, userId: 'ann' }
    const credential = credentialUntil(broker.clock.now + 3_600_000)
    const identity = { externalSubject: 'ada' }
    const first = await plantGrant(broker.context, { ...place, credential, identity })
    const again = await plantGrant(broker.context, {
      ...place,
      credential: { ...credential, accessToken: 'access-again' },
      identity,
    })
    expect(again).toBe(first)
    const second = await plantGrant(broker.context, {
      ...place,
      credential: { ...credential, accessToken: 'access-grace', refreshToken: 'refresh-grace' },
      identity: { externalSubject: 'grace' },
    })
    expect((await project.ask(ann)).body.token).toBe('access-grace')
    expect((await readGrant(broker.context.db, first))?.state).toBe('ended')
    expect((await readGrant(broker.context.db, second))?.is_default).toBe(true)
    await createGrantWork(broker.context, { everyMs: 3_600_000 }).runOnce()
    expect(provider.calls.endings.filter((token) => token !== '')).toEqual(['refresh-0'])
  })
})
