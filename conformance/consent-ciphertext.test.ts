import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './support/authorization-server.ts'
import { startBroker, type TestBroker } from './support/broker.ts'
import { createBrowser } from './support/browser.ts'
import { createClock } from './support/clock.ts'
import { type Began, type ConsentApp, createConsentApp, returnedCode, user } from './support/consent.ts'
import { type Intruder, intrude } from './support/database.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'

// An intruder who can write to the database, but has no key, moves ciphertext about.
const clock = createClock()
let broker: TestBroker
let issuer: TestIssuer
let provider: AuthorizationServer
let app: ConsentApp

beforeAll(async () => {
  issuer = await startIssuer(clock)
  provider = await startAuthorizationServer(clock)
  broker = await startBroker({ clock })
  app = await createConsentApp(broker, issuer, provider, { name: 'app' })
})
afterAll(async () => {
  await broker.close()
  await provider.close()
  await issuer.close()
})

describe('S25 the credential of a grant opens only in its own place', () => {
  const grantOf = 'select * from grants where state = $1 and user_id = $2'

  async function tamper(
    people: readonly string[],
    change: (query: Intruder['query']) => Promise<unknown>,
  ): Promise<void> {
    for (const person of people) {
      await app.connect(person, createBrowser(broker))
      expect((await app.token(person)).status).toBe(200)
    }
    await intrude(broker, ({ query }) => change(query))
  }

  async function nothingFor(person: string): Promise<void> {
    const asked = provider.refreshes.length
    const answer = await app.token(person)
    expect(answer.body.token).toBeUndefined()
    expect(answer.status).toBe(503)
    // Nor is what does not open sent anywhere.
    expect(provider.refreshes).toHaveLength(asked)
  }

  it('S25 not in the row of another user', async () => {
    await tamper(['cat', 'dan'], async (query) => {
      const [cat] = await query(grantOf, ['active', 'cat'])
      await query("update grants set credential = $1 where user_id = 'dan'", [cat?.credential])
    })
    await nothingFor('dan')
    expect((await app.token('cat')).status).toBe(200)
  })

  it.each([
    ['user', "update grants set user_id = 'eve' where user_id = 'fay'", 'fay', 'eve'],
    ['issuer', "update grants set issuer = 'https://other.example' where user_id = 'gil'", 'gil', undefined],
    [
      'installation',
      "update grants set installation_id = 'T1', is_default = true where user_id = 'hal'",
      'hal',
      'hal',
    ],
  ])('S25 not when it is relabelled to another %s', async (_what, statement, person, asks) => {
    await tamper([person], (query) => query(statement))
    if (asks !== undefined) return nothingFor(asks)
    const subject = { type: 'user', id: person, issuer: 'https://other.example' }
    const path = `/v1/connect/token/${encodeURIComponent(app.connector)}`
    const answer = await app.call('POST', path, { subject })
    expect([answer.status, answer.body.token]).toEqual([503, undefined])
  })

  it('S25 not when it is rolled back to what it was before', async () => {
    let old: unknown
    await tamper(['ian'], async (query) => {
      old = (await query(grantOf, ['active', 'ian']))[0]?.credential
    })
    await app.connect('ian', createBrowser(broker))
    await intrude(broker, ({ query }) =>
      query("update grants set credential = $1 where user_id = 'ian'", [old]),
    )
    await nothingFor('ian')
  })

  it('S25 what a consent left waiting does not open for another request', async () => {
    const begun: Began[] = []
    const codes: string[] = []
    for (const person of ['jay', 'kim']) {
      const began = await app.begin(person)
      const browser = createBrowser(broker)
      codes.push(
        returnedCode((await browser.open(provider.agree(await browser.leave(began.url), person))).to),
      )
      begun.push(began)
    }
    const [jay, kim] = begun as [Began, Began]
    await intrude(broker, async ({ query }) => {
      const [row] = await query('select credential from consent_requests where id = $1', [jay.request])
      await query('update consent_requests set credential = $1 where id = $2', [row?.credential, kim.request])
    })
    expect((await app.complete(kim, codes[1] ?? '', user('kim'))).status).toBe(503)
    expect((await app.token('kim')).status).toBe(422)
    expect((await app.complete(jay, codes[0] ?? '', user('jay'))).status).toBe(200)
  })
})
