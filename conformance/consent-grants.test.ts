import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { asObjects, startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import { type ConsentApp, connectorData, createConsentApp, until, user } from './support/consent.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { attach } from './support/workspace.ts'

const clock = createClock()
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  broker = await startBroker({ clock })
})
afterAll(async () => {
  await broker.close()
  await provider.close()
  await issuer.close()
})

let names = 0
const newName = () => `app-${++names}`
const newApp = (options: Partial<Parameters<typeof createConsentApp>[3]> = {}): Promise<ConsentApp> =>
  createConsentApp(broker, issuer, provider, { name: newName(), ...options })

/** A connector that several projects share. */
async function sharedConnector(): Promise<string> {
  const name = `shared-${++names}`
  await broker.manage('POST', '/v1/connect/connectors', {
    service: 'oauth',
    name,
    data: connectorData(provider),
  })
  return `oauth/${name}`
}

const pathOf = (app: ConsentApp, rest = '') =>
  `/v1/connect/connectors/${encodeURIComponent(app.connector)}${rest}`
const needsConsent = { status: 422, code: 'user_authorization_required' }

/** Another environment of the same project: how to ask for a token there. */
async function environmentOf(app: ConsentApp, environment: string, attachment: object = {}) {
  await broker.manage('POST', `/v1/projects/${app.project}/trust`, {
    environment,
    issuer: issuer.url,
    claims: { sub: `workload:${app.project}-${environment}` },
  })
  await attach(broker, app.connector, app.project, {
    environments: [environment],
    subjects: ['user'],
    ...attachment,
  })
  const identity = () => issuer.identity(broker.url, { sub: `workload:${app.project}-${environment}` })
  const call = async (method: string, path: string, body?: unknown) =>
    broker.call(method, path, { token: await identity(), body })
  return {
    call,
    token: (id: string) =>
      call('POST', `/v1/connect/token/${encodeURIComponent(app.connector)}`, { subject: user(id) }),
  }
}

describe('S39 a grant answers those for whom it was made', () => {
  it('S39 one made in one environment answers in no other, in whichever order they ask', async () => {
    const app = await newApp()
    const development = await environmentOf(app, 'development')
    expect(await development.token('ann')).toMatchObject(needsConsent)
    await app.connect('ann', createBrowser(broker))
    expect((await app.token('ann')).status).toBe(200)
    expect(await development.token('ann')).toMatchObject(needsConsent)
  })

  it('S39 one made by one project answers no other with the same connector and the same user', async () => {
    const connector = await sharedConnector()
    const [one, other] = [await newApp({ connector }), await newApp({ connector })]
    await one.connect('ann', createBrowser(broker), 'ann-of-one')
    expect(await other.token('ann')).toMatchObject(needsConsent)
    await other.connect('ann', createBrowser(broker), 'ann-of-other')
    expect(provider.ownerOf((await one.token('ann')).body.token)).toBe('ann-of-one')
    expect(provider.ownerOf((await other.token('ann')).body.token)).toBe('ann-of-other')
  })

  it('S39 users of the same id whom different issuers vouch for are different people', async () => {
    const app = await newApp()
    await app.connect('ann', createBrowser(broker))
    const subject = { type: 'user', id: 'ann', issuer: 'https://issuer.example' }
    expect(await app.token('ann', { subject })).toMatchObject(needsConsent)
    expect(await app.token('ANN')).toMatchObject(needsConsent)
    expect(await app.token('ann ')).not.toMatchObject({ status: 200 })
  })

  it('S39 only an operator’s namespace shares, with those in the same one, of the same connector', async () => {
    const connector = await sharedConnector()
    const shared = { userNamespace: 'people' }
    const [one, other, apart, alone] = [
      await newApp({ connector, attachment: shared }),
      await newApp({ connector, attachment: shared }),
      await newApp({ connector, attachment: { userNamespace: 'people2' } }),
      await newApp({ connector }),
    ]
    const elsewhere = await newApp({ attachment: shared })
    await one.connect('ann', createBrowser(broker))
    const first = await one.token('ann')
    expect((await other.token('ann')).body.token).toBe(first.body.token)
    for (const app of [apart, alone, elsewhere]) expect(await app.token('ann')).toMatchObject(needsConsent)
  })

  it('S39 nobody gets into a namespace by the name of a project, or gets out of his own place by the name of one', async () => {
    const connector = await sharedConnector()
    const one = await newApp({ connector })
    await one.connect('ann', createBrowser(broker))
    for (const userNamespace of [`${one.projectId}`, one.project, `place.${one.projectId}`]) {
      const other = await newApp({ connector, attachment: { userNamespace } })
      expect(await other.token('ann')).toMatchObject(needsConsent)
    }
    for (const userNamespace of [`place/${one.projectId}/production`, '../x', 'a b', '']) {
      const body = { environments: ['production'], userNamespace }
      const path = pathOf(one, `/projects/${one.project}`)
      expect(await broker.call('POST', path, { token: broker.owner, body })).toMatchObject({ status: 400 })
    }
  })

  it('S39 moving an attachment into a namespace, or out of it, takes no grant along', async () => {
    const connector = await sharedConnector()
    const [one, other] = [
      await newApp({ connector }),
      await newApp({ connector, attachment: { userNamespace: 'n' } }),
    ]
    await one.connect('ann', createBrowser(broker))
    await attach(broker, connector, one.project, { subjects: ['user'], userNamespace: 'n', merge: false })
    for (const app of [one, other]) expect(await app.token('ann')).toMatchObject(needsConsent)
    await one.connect('ben', createBrowser(broker))
    expect((await other.token('ben')).status).toBe(200)
    await attach(broker, connector, one.project, { subjects: ['user'], userNamespace: null, merge: false })
    expect(await one.token('ben')).toMatchObject(needsConsent)
    expect((await other.token('ben')).status).toBe(200)
  })

  it('S39 a consent begun in one place and moved to another is not completed there', async () => {
    const connector = await sharedConnector()
    const one = await newApp({ connector })
    const began = await one.begin('ann', {})
    const browser = createBrowser(broker)
    const done = await browser.open(provider.agree(await browser.leave(began.url), 'ann'))
    await attach(broker, connector, one.project, { subjects: ['user'], userNamespace: 'later', merge: false })
    expect((await one.complete(began, done.code ?? '', user('ann'))).status).toBeGreaterThanOrEqual(400)
    expect(await one.token('ann')).toMatchObject(needsConsent)
  })
})

describe('S40 who ends whose grants', () => {
  const revoke = (app: ConsentApp, body: object) => app.call('DELETE', pathOf(app, '/tokens'), body)
  const active = async (app: ConsentApp) =>
    asObjects((await broker.manage('GET', pathOf(app, '/grants?state=active'))).grants).map(
      ({ userId }) => userId,
    )

  it('S40 a workload ends the grant of one user of its own: at once, at the provider too, and nobody else’s', async () => {
    const connector = await sharedConnector()
    const [one, other] = [await newApp({ connector }), await newApp({ connector })]
    await one.connect('ann', createBrowser(broker), 'ann-1')
    await one.connect('ben', createBrowser(broker), 'ben-1')
    await other.connect('ann', createBrowser(broker), 'ann-2')
    const before = provider.ended.length
    expect((await revoke(one, { subject: user('ann') })).body).toMatchObject({
      tokensFound: 1,
      providerRevoked: 1,
    })
    expect(await one.token('ann')).toMatchObject(needsConsent)
    expect((await one.token('ben')).status).toBe(200)
    expect((await other.token('ann')).status).toBe(200)
    // Both of that grant's tokens, the refresh token first.
    const ended = provider.ended.slice(before)
    expect(ended).toHaveLength(2)
    expect(ended[0]).toMatch(/^refresh-of-ann-1-/)
    expect(ended[1]).toMatch(/^access-of-ann-1-/)
  })

  it('S40 what there is not, and what is another’s, is answered alike', async () => {
    const connector = await sharedConnector()
    const [one, other] = [await newApp({ connector }), await newApp({ connector })]
    await other.connect('ann', createBrowser(broker))
    const answers = [
      await revoke(one, { subject: user('ann') }),
      await revoke(one, { subject: user('nobody') }),
    ]
    expect(answers[0]?.body).toEqual(answers[1]?.body)
    expect(answers[0]?.status).toBe(answers[1]?.status)
    const stranger = await newApp()
    const foreign = await stranger.call('DELETE', pathOf(one, '/tokens'), { subject: user('ann') })
    const unknown = await stranger.call('DELETE', '/v1/connect/connectors/oauth%2Fnone/tokens', {
      subject: user('ann'),
    })
    expect([foreign.status, foreign.message]).toEqual([unknown.status, unknown.message])
    expect((await other.token('ann')).status).toBe(200)
  })

  it('S40 "all", and a list of grants, are for operators', async () => {
    const app = await newApp()
    await app.connect('ann', createBrowser(broker))
    for (const body of [{}, undefined, { installationId: 'T1' }])
      expect((await app.call('DELETE', pathOf(app, '/tokens'), body)).status).toBeGreaterThanOrEqual(400)
    expect((await app.call('GET', pathOf(app, '/grants'))).status).toBe(403)
    const [grant] = asObjects((await broker.manage('GET', pathOf(app, '/grants'))).grants)
    expect((await app.call('DELETE', pathOf(app, `/grants/${grant?.id}`))).status).toBe(403)
    expect((await app.token('ann')).status).toBe(200)
    await broker.manage('DELETE', pathOf(app, `/grants/${grant?.id}`))
    expect(await app.token('ann')).toMatchObject(needsConsent)
  })

  it.each(['attachment', 'project', 'connector'] as const)(
    'S40 with the %s goes what hung on it, at the provider too, and it does not come back',
    async (what) => {
      const connector = await sharedConnector()
      const [app, other] = [await newApp({ connector }), await newApp({ connector })]
      await app.connect('ann', createBrowser(broker), `ann-of-${app.project}`)
      await other.connect('ann', createBrowser(broker))
      const path = {
        attachment: pathOf(app, `/projects/${app.project}`),
        project: `/v1/projects/${app.project}`,
        connector: pathOf(app),
      }[what]
      await broker.manage('DELETE', path)
      expect((await app.token('ann')).body.token).toBeUndefined()
      if (what !== 'connector') {
        expect((await other.token('ann')).status).toBe(200)
        expect(await active(other)).toEqual(['ann'])
      }
      if (what === 'attachment') {
        await attach(broker, connector, app.project, { subjects: ['user'] })
        expect(await app.token('ann')).toMatchObject(needsConsent)
      }
    },
  )

  it('S40 a detachment from a namespace leaves the grants to those who stay, and takes them with the last', async () => {
    const connector = await sharedConnector()
    const attachment = { userNamespace: 'team' }
    const [one, other] = [await newApp({ connector, attachment }), await newApp({ connector, attachment })]
    await one.connect('ann', createBrowser(broker))
    await broker.manage('DELETE', pathOf(one, `/projects/${one.project}`))
    expect((await other.token('ann')).status).toBe(200)
    await broker.manage('DELETE', pathOf(other, `/projects/${other.project}`))
    await attach(broker, connector, other.project, { subjects: ['user'], ...attachment })
    expect(await other.token('ann')).toMatchObject(needsConsent)
  })

  it.each(['before', 'after'] as const)(
    'S40 a token refreshed across a revocation reaches nobody, and is ended: revoked %s the provider had rotated',
    async (when) => {
      const own = await startBroker({ clock, revocationEveryMs: 20 })
      try {
        const app = await createConsentApp(own, issuer, provider, { name: 'app' })
        const person = `racing-${when}`
        await app.connect('ann', createBrowser(own), person)
        let release: () => void = () => {}
        const held = new Promise<void>((resolve) => {
          release = resolve
        })
        if (when === 'before') provider.next.holdBefore = held
        else provider.next.holdAfter = held
        const asked = provider.refreshes.length
        clock.advance(3_600_000)
        const answering = app.token('ann')
        await until('the provider was asked', () => provider.refreshes.length > asked)
        expect((await revoke(app, { subject: user('ann') })).status).toBe(200)
        release()
        const answer = await answering
        expect(answer.status).not.toBe(200)
        expect(answer.body.token).toBeUndefined()
        // Whatever the rotation gave is ended as well, not only what was known when it was revoked.
        const last = provider.given.filter((token) => token.startsWith(`refresh-of-${person}-`)).at(-1)
        await until('the newest was ended', () => provider.ended.includes(last ?? ''))
        expect(await app.token('ann')).toMatchObject(needsConsent)
      } finally {
        await own.close()
      }
    },
  )

  it('S40 a connector that is pointed at another server takes no grant along, and sends nothing of one there', async () => {
    const app = await newApp()
    const elsewhere = await startAuthorizationServer(clock)
    await app.connect('ann', createBrowser(broker))
    const { clientSecret } = elsewhere
    await broker.manage('PATCH', pathOf(app), { data: { serverUrl: elsewhere.url, clientSecret } })
    clock.advance(3_600_000)
    expect(await app.token('ann')).toMatchObject(needsConsent)
    expect(elsewhere.refreshes).toEqual([])
    expect(JSON.stringify(elsewhere.requests)).not.toContain('refresh-of-ann')
    await elsewhere.close()
  })

  it('S40 what was open when all was revoked still waits for a person, who decides anew', async () => {
    const app = await newApp()
    await app.connect('ann', createBrowser(broker))
    const began = await app.begin('ann', {})
    await broker.manage('DELETE', pathOf(app, '/tokens'))
    expect(await app.token('ann')).toMatchObject(needsConsent)
    const browser = createBrowser(broker)
    const done = await browser.open(provider.agree(await browser.leave(began.url), 'ann'))
    expect((await app.complete(began, done.code ?? '', user('ann'))).status).toBe(200)
    expect((await app.token('ann')).status).toBe(200)
  })
})
