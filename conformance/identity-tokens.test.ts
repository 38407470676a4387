import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, startBroker, type TestBroker } from './support/broker.ts'
import { createClock } from './support/clock.ts'
import { encodePart, forge, keyedWithPublicKey, signText } from './support/forge.ts'
import { type LoopbackServer, startLoopbackServer } from './support/http.ts'
import { startIssuer, type TestIssuer } from './support/issuer.ts'
import { createProvider } from './support/provider.ts'
import { attach, createProject, createVault } from './support/workspace.ts'

const clock = createClock()
const provider = createProvider(clock)
let broker: TestBroker
let issuer: TestIssuer
let attacker: LoopbackServer
let attackerWasAsked = 0

beforeAll(async () => {
  issuer = await startIssuer(clock)
  attacker = await startLoopbackServer((_request, response) => {
    attackerWasAsked += 1
    response.end('{}')
  })
  broker = await startBroker({ clock, drivers: [provider.driver] })
  await createProject(broker, issuer, 'agent')
  await createVault(broker, 'tokens')
  await attach(broker, 'vault/tokens', 'agent')
})

afterAll(async () => {
  await broker.close()
  await issuer.close()
  await attacker.close()
})

/** Offers a credential at each door that takes identities; all must refuse it the same way. */
async function refuseEverywhere(token: string, code = 'identity_invalid'): Promise<void> {
  const before = provider.mints.length
  const answers: Answer[] = [
    await broker.ask('vault/tokens', token),
    await broker.call('GET', '/v1/connect/connectors/vault%2Ftokens', { token }),
    await broker.call('DELETE', '/v1/connect/connectors/vault%2Ftokens/tokens', {
      token,
      body: { subject: { type: 'app' } },
    }),
    await broker.call('GET', '/v1/access-tokens/self', { token }),
    await broker.call('GET', '/v1/projects', { token }),
  ]
  for (const answer of answers) {
    expect(answer).toMatchObject({ status: 401, code })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  }
  // One answer for all: how far a forgery got is nobody's business.
  expect(new Set(answers.map((answer) => answer.message)).size).toBe(1)
  expect(provider.mints).toHaveLength(before)
}

describe('S11 audience, times and issuer', () => {
  it('S11 accepts what it should, so that the refusals below mean something', async () => {
    const now = clock.seconds()
    for (const changes of [
      {},
      { aud: [broker.url] },
      { nbf: now },
      { nbf: now + 29, iat: now + 29 },
      { iat: now - 3600, exp: now - 29 },
      { iat: now, exp: now + 86_400 },
    ]) {
      const answer = await broker.ask('vault/tokens', await issuer.identity(broker.url, changes))
      expect(answer.status).toBe(200)
    }
  })

  const audiences: readonly (readonly [string, unknown])[] = [
    ['no audience', undefined],
    ['another audience', 'https://other.example'],
    ['a trailing slash', 'https://broker.example/'],
    ['another scheme', 'http://broker.example'],
    ['another case', 'https://BROKER.example'],
    ['a longer host', 'https://broker.example.evil.example'],
    ['a path', 'https://broker.example/v1'],
    ['an audience beside ours', ['https://broker.example', 'https://other.example']],
    ['ours behind another', ['https://other.example', 'https://broker.example']],
    ['ours twice', ['https://broker.example', 'https://broker.example']],
    ['an empty list', []],
    ['a nested list', [['https://broker.example']]],
    ['an object', { 0: 'https://broker.example', length: 1 }],
    ['null', null],
    ['nothing', ''],
    ['the audience of AWS', 'sts.amazonaws.com'],
  ]
  it.each(audiences)('S11 refuses %s', async (_what, aud) => {
    await refuseEverywhere(await issuer.identity(broker.url, { aud }))
  })

  const now = clock.seconds()
  const times: readonly (readonly [string, Record<string, unknown>])[] = [
    ['no exp', { exp: undefined }],
    ['an exp of text', { exp: String(now + 600) }],
    ['an exp of null', { exp: null }],
    ['no iat', { iat: undefined }],
    ['an iat of text', { iat: String(now) }],
    ['an iat in the future', { iat: now + 31 }],
    ['an iat in the far future', { iat: now + 100_000, exp: now + 100_600 }],
    ['an nbf in the future', { nbf: now + 31 }],
    ['an nbf of text', { nbf: 'yesterday' }],
    ['a life of more than a day', { iat: now, exp: now + 86_401 }],
    ['a life of many years', { iat: 1, exp: now + 600 }],
  ]
  it.each(times)('S11 refuses %s', async (_what, changes) => {
    await refuseEverywhere(await issuer.identity(broker.url, changes))
  })

  it.each([
    ['that has just expired', now - 31],
    ['that expired long ago', now - 90_000],
    ['with a negative exp', -1],
    ['with an exp of zero', 0],
  ])('S11 refuses a token %s, and says so', async (_what, exp) => {
    await refuseEverywhere(await issuer.identity(broker.url, { iat: exp - 60, exp }), 'identity_expired')
  })

  it('S11 refuses an exp beyond all numbers', async () => {
    const text = JSON.stringify(issuer.claims(broker.url)).replace(/"exp":\d+/, '"exp":1e999')
    const kid = issuer.publicJwk('ES256').kid
    await refuseEverywhere(
      await signText(text, issuer.privateKey('ES256'), { alg: 'ES256', kid, typ: 'JWT' }),
    )
  })

  it('S11 holds a token to the maximum age of its rule', async () => {
    await broker.manage('POST', '/v1/projects', { name: 'short-lived' })
    await broker.manage('POST', '/v1/projects/short-lived/trust', {
      environment: 'production',
      issuer: issuer.url,
      claims: { sub: 'workload:short' },
      maxAgeSeconds: 300,
    })
    await attach(broker, 'vault/tokens', 'short-lived')
    const lasting = (seconds: number) =>
      issuer.identity(broker.url, { sub: 'workload:short', exp: clock.seconds() + seconds })
    expect((await broker.ask('vault/tokens', await lasting(300))).status).toBe(200)
    await refuseEverywhere(await lasting(301))
  })

  const issuers: readonly (readonly [string, (url: string) => unknown])[] = [
    ['an issuer that only shares a prefix', (url) => `${url}.evil.example`],
    ['an issuer whose port has one digit more', (url) => `${url}0`],
    ['an issuer below it', (url) => `${url}/tenant`],
    ['a trailing slash', (url) => `${url}/`],
    ['another scheme', (url) => url.replace('http:', 'https:')],
    ['another case', (url) => url.toUpperCase()],
    ['another spelling of the address', (url) => url.replace('127.0.0.1', '127.1')],
    ['a name of the address', (url) => url.replace('127.0.0.1', 'localhost')],
    ['a dot behind the host', (url) => url.replace('127.0.0.1', '127.0.0.1.')],
    ['user information', (url) => url.replace('//', '//x@')],
    ['a space', (url) => ` ${url}`],
    ['a list of it', (url) => [url]],
    ['no issuer', () => undefined],
    ['nothing', () => ''],
  ]
  it.each(issuers)('S11 refuses %s', async (_what, of) => {
    await refuseEverywhere(await issuer.identity(broker.url, { iss: of(issuer.url) }))
  })
})

describe('S12 forged tokens', () => {
  beforeEach(async () => {
    // The keys are known from here on, so that every refusal below is one of the signature and not of the network.
    expect((await broker.ask('vault/tokens', await issuer.identity(broker.url))).status).toBe(200)
    attackerWasAsked = 0
  })

  const kid = () => issuer.publicJwk('ES256').kid
  const header = (more: Record<string, unknown> = {}) => ({ alg: 'ES256', kid: kid(), typ: 'JWT', ...more })
  const payload = () => issuer.claims(broker.url)

  it.each(['none', 'None', 'NONE', 'nOnE', ''])('S12 refuses alg %j', async (alg) => {
    const good = await issuer.identity(broker.url)
    for (const signature of ['', 'c2ln', good.split('.')[2]])
      await refuseEverywhere(forge(header({ alg }), payload(), signature))
  })

  it('S12 refuses HS256 keyed with any spelling of the public key', async () => {
    for (const algorithm of ['ES256', 'RS256'] as const)
      for (const token of keyedWithPublicKey(issuer.publicJwk(algorithm), payload()))
        await refuseEverywhere(token)
  })

  it('S12 refuses a key that the token brings along', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(publicKey)
    const text = JSON.stringify(payload())
    await refuseEverywhere(await signText(text, privateKey, header({ jwk })))
    await refuseEverywhere(await signText(text, privateKey, header({ jwk: { ...jwk, kid: kid() } })))
    await refuseEverywhere(await signText(text, privateKey, header()))
    // Also when the signature is the issuer's own: what the header says must not be looked at by anyone later.
    await refuseEverywhere(await signText(text, issuer.privateKey('ES256'), header({ jwk })))
  })

  it.each(['jku', 'x5u', 'x5c'])('S12 refuses %s and never fetches what it names', async (name) => {
    const { privateKey } = await generateKeyPair('ES256')
    const text = JSON.stringify(payload())
    for (const key of [privateKey, issuer.privateKey('ES256')])
      for (const value of [`${attacker.url}/keys`, [`${attacker.url}/keys`]])
        await refuseEverywhere(await signText(text, key, header({ [name]: value })))
    expect(attackerWasAsked).toBe(0)
  })

  it('S12 never fetches a URL that stands in any claim or key id', async () => {
    const before = issuer.requests.length
    for (const changes of [{ iss: attacker.url }, { iss: `${issuer.url}@${attacker.url.slice(7)}` }])
      await refuseEverywhere(await issuer.identity(broker.url, changes))
    for (const kid of [`${attacker.url}/keys`, '../../etc/passwd', "' or 1=1 --", '__proto__', ''])
      await refuseEverywhere(await issuer.sign(payload(), { header: { kid } }))
    expect(attackerWasAsked).toBe(0)
    // The unknown key ids may make it look at the issuer's own document once.
    expect(issuer.requests.length - before).toBeLessThanOrEqual(2)
  })

  it('S12 refuses extensions that it does not know', async () => {
    const key = issuer.privateKey('ES256')
    const text = JSON.stringify(payload())
    for (const more of [
      { crit: ['exp'], exp: clock.seconds() + 60 },
      { crit: ['urn:example:unknown'], 'urn:example:unknown': true },
      { crit: ['b64'], b64: true },
      { zip: 'DEF' },
      { b64: true },
      { enc: 'A128GCM' },
    ])
      await refuseEverywhere(await signText(text, key, header(more)))
    // jose signs no empty list; a refusal of the header comes before its signature.
    await refuseEverywhere(forge(header({ crit: [] }), payload()))
  })

  it.each([
    ['sub', '"sub":"workload:agent","sub":"workload:agent"'],
    ['sub in two spellings', '"sub":"workload:other","\\u0073ub":"workload:agent"'],
    ['a claim of a nested object', '"sub":"workload:agent","act":{"sub":"a","sub":"b"}'],
  ])('S12 refuses a payload that names %s twice', async (_what, members) => {
    const rest = JSON.stringify(issuer.claims(broker.url, { sub: undefined }))
    const text = `{${members},${rest.slice(1)}`
    await refuseEverywhere(await signText(text, issuer.privateKey('ES256'), header()))
  })

  it('S12 refuses a header that names a member twice', async () => {
    const [head = '', body = '', signature = ''] = (await issuer.identity(broker.url)).split('.')
    const text = Buffer.from(head, 'base64url').toString()
    const doubled = encodePart(text.replace('{', '{"alg":"none",'))
    await refuseEverywhere(`${doubled}.${body}.${signature}`)
  })

  it('S12 refuses a good signature over something else', async () => {
    const good = await issuer.identity(broker.url)
    const other = await issuer.identity(broker.url, { sub: 'workload:other' })
    const [head, , signature = ''] = good.split('.')
    const bytes = Buffer.from(signature, 'base64url')
    const tampered = Buffer.from(bytes)
    tampered[10] = (tampered[10] ?? 0) ^ 1
    for (const bad of [
      other.split('.')[2],
      tampered.toString('base64url'),
      // CVE-2022-21449: r and s of zero verify under a careless ECDSA.
      Buffer.alloc(64).toString('base64url'),
      bytes.subarray(0, 32).toString('base64url'),
      Buffer.concat([bytes, bytes]).toString('base64url'),
    ])
      await refuseEverywhere(`${head}.${good.split('.')[1]}.${bad}`)
  })

  it('S12 refuses one algorithm under the key of the other', async () => {
    const rsa = issuer.publicJwk('RS256').kid
    await refuseEverywhere(await issuer.sign(payload(), { header: { kid: rsa } }))
    await refuseEverywhere(await issuer.sign(payload(), { algorithm: 'RS256', header: { kid: kid() } }))
    const [, body = '', signature = ''] = (await issuer.sign(payload(), { algorithm: 'RS256' })).split('.')
    await refuseEverywhere(`${encodePart(header())}.${body}.${signature}`)
  })

  it('S12 refuses every other spelling of a good token', async () => {
    const good = await issuer.identity(broker.url)
    const [head = '', body = '', signature = ''] = good.split('.')
    const last = signature.at(-1) ?? 'A'
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    // 64 bytes leave four unused bits in the last letter: another letter there decodes to the same bytes.
    const stray = `${signature.slice(0, -1)}${alphabet[alphabet.indexOf(last) ^ 1]}`
    for (const token of [
      `${head}.${body}.${stray}`,
      `${head}.${body}.${signature}==`,
      `${head}.${body}.${signature}.`,
      `${head}.${body}.${signature}.${signature}.${signature}`,
      `.${good}`,
      `${head}..${signature}`,
      `${head}.${body}`,
      `"${good}"`,
      `Bearer,${good}`,
      encodePart({ payload: body, protected: head, signature }),
    ])
      await refuseEverywhere(token)
  })

  it('S12 refuses payloads that are no JSON object', async () => {
    const key = issuer.privateKey('ES256')
    const claims = JSON.stringify(payload())
    for (const text of [
      'null',
      '[]',
      '"x"',
      '1',
      '',
      'not json',
      `[${claims}]`,
      `\ufeff${claims}`,
      `${claims}x`,
    ])
      await refuseEverywhere(text === '' ? forge(header(), '') : await signText(text, key, header()))
    const broken = Buffer.from(claims.replace('agent', 'ag\u00e9nt'), 'latin1')
    await refuseEverywhere(await signText(broken, key, header()))
  })

  it('S12 refuses a token of more than 16 KiB, and takes one of less', async () => {
    const padded = (bytes: number) => issuer.identity(broker.url, { padding: 'x'.repeat(bytes) })
    const large = await padded(12_700)
    expect(large.length).toBeGreaterThan(16_384)
    await refuseEverywhere(large)
    const small = await padded(11_000)
    expect((await broker.ask('vault/tokens', small)).status).toBe(200)
  })

  it('S12 survives a token that is nothing but nesting', async () => {
    const deep = '['.repeat(5_000)
    await refuseEverywhere(forge(header(), `{"a":${deep}${']'.repeat(5_000)}}`))
    await refuseEverywhere(forge(deep, deep))
  })

  it('S12 reads a credential from one place only', async () => {
    const identity = await issuer.identity(broker.url)
    const path = '/v1/connect/token/vault%2Ftokens'
    const body = { subject: { type: 'app' } }
    for (const headers of [
      { cookie: `authorization=Bearer ${identity}; token=${identity}` },
      { 'proxy-authorization': `Bearer ${identity}` },
      { 'x-authorization': `Bearer ${identity}` },
      { 'x-api-key': identity },
      { authorization: identity },
      { authorization: `Basic ${Buffer.from(`x:${identity}`).toString('base64')}` },
      { authorization: `Bearer ${identity}, Bearer ${identity}` },
      { authorization: `DPoP ${identity}` },
    ])
      expect(await broker.call('POST', path, { headers, body })).toMatchObject({
        status: 401,
        code: 'identity_invalid',
      })
    const inQuery = await broker.call('POST', `${path}?access_token=${identity}`, { body })
    expect(inQuery.status).toBe(401)
  })
})
