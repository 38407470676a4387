import type { AuthorizeResponse } from '@valetkey/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { exportTrail } from '../manage/audit.ts'
import { type ConsentBroker, type ConsentProject, startConsentBroker } from './test-consent.ts'

let broker: ConsentBroker
beforeAll(async () => {
  // Not for development: nothing but the pages themselves looks at where a form comes from.
  broker = await startConsentBroker('https://valetkey.test')
})
afterAll(async () => {
  await broker.close()
})

const returnUrl = 'https://app.test/back'
const attacker = { type: 'user', id: 'mallory' }
const victim = { type: 'user', id: 'u1' }

/** What somebody can try who began a request, and whose victim consented to it. */
async function steal(project: ConsentProject, began: AuthorizeResponse): Promise<number[]> {
  const asAttacker = await project.complete(began, began.verifier, attacker)
  const asVictim = await project.complete(began, 'BBBB-BBBB', victim)
  return [asAttacker.status, asVictim.status]
}

async function nothingUsable(project: ConsentProject): Promise<void> {
  for (const id of ['mallory', 'u1']) expect((await project.token(id)).status).not.toBe(200)
  const grants = await broker.grants()
  expect(grants.filter((grant) => grant.connector_id === project.connectorId)).toEqual([])
}

it.each([
  ['callback', { returnUrl }],
  ['device', { deviceCode: true }],
  ['webhook', { webhook: 'https://app.test/hook' }],
])(
  'S01 makes nothing usable in %s mode of what a victim consented to for somebody else',
  async (mode, how) => {
    const project = await broker.project()
    const began = await project.authorize({ subject: attacker, ...how })
    const browser = broker.browser()
    if (mode === 'device') await browser.submit('/device', { code: began.deviceCode ?? '' })
    const back = await browser.consent(began.request, 'victim')
    expect(back.to ?? back.code).toBeTruthy()
    expect(await project.status(began)).toBe('consented')
    await nothingUsable(project)
    expect(await steal(project, began)).toEqual([400, 400])
    await nothingUsable(project)
  },
)

it('S01 refuses the code of a victim’s session with the attacker’s subject, and with no words that tell which was wrong', async () => {
  const project = await broker.project()
  const began = await project.authorize({ subject: attacker, returnUrl })
  const back = await broker.browser().consent(began.request, 'victim')
  const code = new URL(back.to ?? '').searchParams.get('code') ?? ''
  // The app completes with the subject of the session in which the code arrived: the victim's.
  const wrongSubject = await project.complete(began, code, victim)
  const wrongIssuer = await project.complete(began, code, { ...attacker, issuer: 'https://issuer.test' })
  const noSubject = await project.complete(began, code, 'none')
  const wrongCode = await project.complete(began, 'x', attacker)
  expect([wrongSubject, wrongIssuer, noSubject, wrongCode].map(({ status }) => status)).toEqual([
    400, 400, 400, 400,
  ])
  expect(wrongSubject.body.error?.message).toBe(wrongCode.body.error?.message)
  await nothingUsable(project)
})

it('S01 leads a victim back to the app, whoever typed the device code in before', async () => {
  const project = await broker.project()
  const began = await project.authorize({ subject: attacker, returnUrl, deviceCode: true })
  await broker.browser().submit('/device', { code: began.deviceCode ?? '' })
  const person = broker.browser()
  expect((await person.open(`/consent/${began.request}`)).html).toContain('app.test')
  const back = await person.consent(began.request, 'victim')
  expect([back.code, back.to]).toEqual([undefined, expect.stringContaining(`${returnUrl}?request=`)])
})

it('S01 tells neither status nor trail a code, verifier, state or credential', async () => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl })
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const back = await browser.open(broker.provider.approve(left.to ?? ''))
  const code = new URL(back.to ?? '').searchParams.get('code') ?? ''
  const state = new URL(left.to ?? '').searchParams.get('state') ?? ''
  const status = await project.call('POST', `/v1/connect/requests/${began.request}/status`, {
    verifier: began.verifier,
  })
  expect(status.body).toEqual({ request: began.request, status: 'consented' })
  let trail = ''
  for await (const line of exportTrail(broker.context)) trail += line
  const row = JSON.stringify(await broker.row(began.request))
  const browserSecret = browser.cookie?.split('=')[1] ?? ''
  const secrets = [began.verifier, code, state, browserSecret, 'access-of-ada', 'refresh-of-ada']
  for (const secret of secrets) {
    expect(secret).not.toBe('')
    expect(trail).not.toContain(secret)
    expect(row).not.toContain(secret)
  }
})

it('S02 answers another project, a wrong verifier and an unknown request in the same words', async () => {
  const project = await broker.project()
  const other = await broker.project()
  const began = await project.authorize()
  const done = await broker.browser().consent(began.request)
  const code = done.code ?? ''
  const answers = [
    await other.complete(began, code),
    await project.complete({ ...began, verifier: 'x' }, code),
    await project.complete({ ...began, request: `ask_${'a'.repeat(20)}` }, code),
  ]
  for (const { status, body } of answers) {
    expect([status, body.error?.code]).toEqual([403, 'forbidden'])
    expect(body.error?.message).toBe(answers[0]?.body.error?.message)
  }
  const path = `/v1/connect/requests/${began.request}/status`
  expect((await other.call('POST', path, { verifier: began.verifier })).status).toBe(403)
  expect((await project.call('POST', path, { verifier: 'x' })).status).toBe(403)
  await nothingUsable(project)
  // None of them counted as an attempt.
  expect((await project.complete(began, code)).status).toBe(200)
})

it('S04 takes a state once, at its own connector, from the browser that was sent, in time', async () => {
  const project = await broker.project()
  const other = await broker.project()
  const began = await project.authorize({ returnUrl })
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const callback = broker.provider.approve(left.to ?? '')
  const redeemed = broker.provider.redeemed.length

  const atOther = callback.replace(project.connectorId, other.connectorId)
  expect((await browser.open(atOther)).status).toBe(400)
  const twice = `${callback}&state=x`
  expect((await browser.open(twice)).status).toBe(400)
  expect((await browser.open(callback.replace(/state=[^&]*/, 'state=x'))).status).toBe(400)

  const stranger = broker.browser()
  await stranger.open(`/consent/${began.request}`)
  expect((await stranger.open(callback)).status).toBe(403)
  expect(broker.provider.redeemed).toHaveLength(redeemed)
  // The state is spent with that: the person continues from the page again.
  expect((await browser.open(callback)).status).toBe(400)
  const back = await browser.consent(began.request)
  expect(back.to).toContain('code=')
})

it('S04 refuses a replayed callback, and one that comes too late', async () => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl })
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const callback = broker.provider.approve(left.to ?? '')
  const [first, second] = await Promise.all([browser.open(callback), browser.open(callback)])
  // The second is told what came of the first, as far as it has.
  expect([first, second].filter(({ to }) => to?.startsWith(`${returnUrl}?`))).toHaveLength(1)
  expect([first, second].filter(({ to }) => to === undefined)).toHaveLength(1)

  const late = await project.authorize({ returnUrl, expiresInMs: 60_000 })
  const leftLate = await browser.submit(`/consent/${late.request}`, { action: 'continue' })
  broker.clock.now += 60_000
  const redeemed = broker.provider.redeemed.length
  expect((await browser.open(broker.provider.approve(leftLate.to ?? ''))).status).toBe(404)
  expect(broker.provider.redeemed).toHaveLength(redeemed)
  expect(await project.status(late)).toBe('expired')
})

it('S04 leaves a browser that was sent before with nothing, once another one continues', async () => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl })
  const [thief, person] = [broker.browser(), broker.browser()]
  const lure = await thief.submit(`/consent/${began.request}`, { action: 'continue' })
  // The thief's own provider link, opened by somebody else, comes back to a browser that was never sent.
  expect((await person.open(broker.provider.approve(lure.to ?? '', 'victim'))).status).toBe(403)
  await person.submit(`/consent/${began.request}`, { action: 'continue' })
  expect((await thief.open(broker.provider.approve(lure.to ?? '', 'mallory'))).status).toBe(400)
})

it('S05 sends the browser to the return URL of the request and nowhere else, whatever the callback says', async () => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl })
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const callback = `${broker.provider.approve(left.to ?? '')}&returnUrl=https://evil.test&redirect_uri=https://evil.test`
  const back = await browser.open(callback)
  expect(back.to).toMatch(/^https:\/\/app\.test\/back\?request=ask_[\w-]+&code=[\w-]{43}$/)
})

it('S05 shows nothing of a provider’s error text', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const browser = broker.browser()
  const left = await browser.submit(`/consent/${began.request}`, { action: 'continue' })
  const state = new URL(left.to ?? '').searchParams.get('state')
  const shown = await browser.open(
    `/v1/connect/callback/${project.connectorId}?state=${state}&error=access_denied&error_description=<script>alert(1)</script>`,
  )
  expect(shown.status).toBe(400)
  expect(shown.html).not.toContain('alert(1)')
  expect(shown.headers.get('content-security-policy')).toContain("default-src 'none'")
})

it('S07 uses a device code once, shows who asks, and waits for a click', async () => {
  const project = await broker.project()
  const began = await project.authorize({ deviceCode: true })
  const browser = broker.browser()
  const starts = broker.provider.starts.length
  const entered = await browser.submit('/device', { code: began.deviceCode ?? '' })
  expect(entered.to).toBe(`/consent/${began.request}`)
  const shown = await browser.open(entered.to ?? '')
  for (const text of [project.name, 'development', project.uid, 'See your issues']) {
    expect(shown.html).toContain(text)
  }
  expect(broker.provider.starts).toHaveLength(starts)
  const again = await browser.submit('/device', { code: began.deviceCode ?? '' })
  expect([again.status, again.to]).toEqual([400, undefined])
})

it('S07 does not take an expired device code', async () => {
  const project = await broker.project()
  const began = await project.authorize({ deviceCode: true, expiresInMs: 60_000 })
  broker.clock.now += 60_000
  expect((await broker.browser().submit('/device', { code: began.deviceCode ?? '' })).status).toBe(400)
})

it('refuses a form of another site, of another browser, or for another request', async () => {
  const project = await broker.project()
  const [began, other] = [await project.authorize(), await project.authorize()]
  const browser = broker.browser()
  const path = `/consent/${began.request}`
  const send = { action: 'continue' }
  const stranger = broker.browser()
  await stranger.open(path)
  const tokenOf = async (page: string) =>
    /name="token" value="([^"]*)"/.exec((await browser.open(page)).html)?.[1] ?? ''
  const foreign = await tokenOf(`/consent/${other.request}`)
  const device = await tokenOf('/device')
  const attempts = [
    await browser.submit(path, send, { 'sec-fetch-site': 'cross-site' }),
    await browser.submit(path, send, { 'sec-fetch-site': 'same-site' }),
    await browser.submit(path, send, { origin: 'https://evil.test' }),
    await browser.submit(path, send, { origin: 'null' }),
    await browser.submit(path, send, { cookie: stranger.cookie ?? '' }),
    await browser.submit(path, send, { cookie: '' }),
    await browser.submit(path, { ...send, token: foreign }),
    await browser.submit(path, { ...send, token: device }),
    await browser.submit(path, { ...send, token: '' }),
    await browser.submit(path, send, { 'content-type': 'text/plain' }),
    await browser.submit(path, { action: 'approve' }),
  ]
  for (const { status, to } of attempts) {
    expect([400, 403]).toContain(status)
    expect(to).toBeUndefined()
  }
  expect((await broker.row(began.request)).pending).toBeNull()
  expect((await browser.submit(path, send)).to).toContain('https://provider.test/')
})

it.each([
  ['a long code ten', { returnUrl }, 10],
  ['a typed code three', {}, 3],
])('allows %s wrong attempts, then ends the request and what was granted', async (_what, how, tries) => {
  const project = await broker.project()
  const began = await project.authorize(how)
  const back = await broker.browser().consent(began.request)
  const code = back.code ?? new URL(back.to ?? '').searchParams.get('code') ?? ''
  for (let attempt = 1; attempt <= tries; attempt++) {
    expect(await project.status(began)).toBe('consented')
    expect((await project.complete(began, 'CCCC-CCCC')).status).toBe(400)
  }
  expect(await project.status(began)).toBe('error')
  expect((await project.complete(began, code)).status).toBe(409)
  await nothingUsable(project)
  const ended = await broker.grants('ended')
  expect(ended).toContainEqual(
    expect.objectContaining({ connector_id: project.connectorId, revoke_at: broker.clock.now }),
  )
})

it('consumes nothing by a failed attempt', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  const done = await broker.browser().consent(began.request)
  await project.complete(began, done.code ?? '', attacker)
  await project.complete(began, 'x')
  expect((await project.complete(began, done.code ?? '')).status).toBe(200)
})

it('lets the code of a return URL live for 60 seconds', async () => {
  const project = await broker.project()
  const began = await project.authorize({ returnUrl })
  const back = await broker.browser().consent(began.request)
  const code = new URL(back.to ?? '').searchParams.get('code') ?? ''
  broker.clock.now += 60_000
  expect((await project.complete(began, code)).status).toBe(409)
  expect(await project.status(began)).toBe('expired')
  await nothingUsable(project)
})

it('takes no webhook without TLS where egress is not opened', async () => {
  const project = await broker.project()
  await expect(project.authorize({ webhook: 'http://127.0.0.1:3000/hook' })).rejects.toThrow(
    'webhook: must be https',
  )
  await expect(project.authorize({ returnUrl: 'http://127.0.0.1:3000/back' })).resolves.toBeDefined()
})

it('S28 needs a workload: neither nobody nor an operator begins, asks or completes', async () => {
  const project = await broker.project()
  const began = await project.authorize()
  for (const path of [
    `/v1/connect/authorize/fake%2F${project.name}`,
    `/v1/connect/install/fake%2F${project.name}`,
    `/v1/connect/requests/${began.request}/status`,
    `/v1/connect/requests/${began.request}/complete`,
  ]) {
    const headers = { 'content-type': 'application/json' }
    const answer = await broker.fetch(path, { method: 'POST', headers, body: '{}' })
    expect(answer.status).toBe(401)
    await expect(broker.manage('POST', path, {})).rejects.toThrow('forbidden')
  }
})

// The last one: it uses up what one address may enter in a minute.
it('S07 stops whoever tries device codes', async () => {
  const project = await broker.project()
  const began = await project.authorize({ deviceCode: true })
  const browser = broker.browser()
  let answer = await browser.submit('/device', { code: 'BBBB-BBBB' })
  for (let attempt = 2; attempt <= 12 && answer.status === 400; attempt++) {
    answer = await browser.submit('/device', { code: 'BBBB-BBBB' })
  }
  expect(answer.status).toBe(429)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await browser.submit('/device', { code: began.deviceCode ?? '' })).status).toBe(429)
})
