import { UserAuthorizationRequiredError } from '@valetkey/sdk'
import { describe, expect, it } from 'vitest'
import { isConsentRequired, isConsentRequiredError } from './index.ts'
import { consentSentence } from './model-output.ts'
import { testIssuingPoint, withoutConsent } from './test-issuing-point.ts'
import { call, errorOf, modelView, readMe, toolOf } from './test-tool.ts'

describe('a missing consent', () => {
  it('shows where a token was rejected and the consent for another is gone', async () => {
    let first = true
    const { client } = testIssuingPoint({
      answer: () => new Response('no', { status: 401 }),
      refuse(asked) {
        const refused = first ? undefined : withoutConsent(asked)
        first = false
        return refused
      },
    })
    const tool = toolOf(client, async (_input, { fetch }) => (await fetch('https://api.example/me')).status)
    expect(isConsentRequired(await call(tool))).toBe(true)
  })

  const started = { deviceCode: 'ABCD-EFGH', verificationUri: 'https://broker.example/device' }

  it('becomes the output, with all that a page needs and without the verifier', async () => {
    const { client, asked } = testIssuingPoint({ refuse: withoutConsent, started })
    const challenges: unknown[][] = []
    const tool = toolOf(client, (_input, given) => readMe(given), {
      callbackUrl: 'https://app.example/connected',
      deviceCode: true,
      onConsentRequired: (challenge, { userId }) =>
        void challenges.push([userId, challenge.request, challenge.verifier]),
    })
    const output = await call(tool)
    expect(output).toEqual({
      type: 'consent_required',
      connector: 'github/mybot',
      url: 'https://broker.example/consent/crq_1',
      request: 'crq_1',
      ...started,
      expiresAt: expect.any(Number),
    })
    expect(isConsentRequired(JSON.parse(JSON.stringify(output)))).toBe(true)
    expect(JSON.stringify(output)).not.toContain('the-verifier')
    expect(challenges).toEqual([['ann', 'crq_1', 'the-verifier-of-the-test']])
    expect(asked.at(-1)).toMatchObject({
      route: 'authorize',
      body: {
        subject: { type: 'user', id: 'ann' },
        scopes: ['read'],
        returnUrl: 'https://app.example/connected',
        deviceCode: true,
        binding: 'complete',
      },
    })
  })

  it('is one sentence for the model', async () => {
    const { client } = testIssuingPoint({ refuse: withoutConsent, started })
    const tool = toolOf(client, (_input, { getToken }) => getToken(), {
      toModelOutput: () => ({ type: 'text', value: 'not asked' }),
    })
    const output = await call(tool)
    expect(modelView(tool, output)).toEqual({ type: 'text', value: consentSentence })
    // Also in a later request, when it has come back from a browser.
    expect(modelView(tool, JSON.parse(JSON.stringify(output)))).toEqual({
      type: 'text',
      value: consentSentence,
    })
    expect(consentSentence).not.toMatch(/https?:|crq_|ABCD|verifier/)
  })

  it.each<[string, (error: unknown) => unknown]>([
    ['as the cause of another error', (error) => new Error('It broke', { cause: error })],
    ['among the errors of an AggregateError', (error) => new AggregateError([new Error('other'), error])],
  ])('is found %s', async (_where, wrap) => {
    const { client } = testIssuingPoint({ refuse: withoutConsent })
    const tool = toolOf(client, async (_input, given) => {
      try {
        return await readMe(given)
      } catch (error) {
        throw wrap(error)
      }
    })
    expect(isConsentRequired(await call(tool))).toBe(true)
  })

  it('can be what execute itself makes of an answer', async () => {
    const { client, asked } = testIssuingPoint()
    let made = 0
    const tool = toolOf(
      client,
      async (_input, { getToken }) => {
        await getToken()
        throw new UserAuthorizationRequiredError('The API wants another consent')
      },
      {
        params: ({ userId }) => {
          made += 1
          return { subject: { type: 'user', id: userId } }
        },
      },
    )
    expect(isConsentRequired(await call(tool))).toBe(true)
    expect(made).toBe(1)
    expect(asked.slice(1)).toMatchObject([{ route: 'authorize', body: { subject: { id: 'ann' } } }])
  })

  it('is left to execute where it catches it', async () => {
    const { client, asked } = testIssuingPoint({ refuse: withoutConsent })
    const tool = toolOf(client, (_input, given) => readMe(given).catch(() => 'without'))
    expect(await call(tool)).toBe('without')
    expect(asked.map(({ route }) => route)).toEqual(['token'])
  })

  it('ends an output that was coming in parts', async () => {
    const { client } = testIssuingPoint({ refuse: withoutConsent })
    const tool = toolOf(client, async function* (_input, given) {
      yield 'half'
      yield await readMe(given)
    })
    const parts: unknown[] = []
    const result = tool.execute({ say: '' }, { toolCallId: 'c', messages: [], context: { userId: 'ann' } })
    for await (const part of result as AsyncIterable<unknown>) parts.push(part)
    expect(parts[0]).toBe('half')
    expect(isConsentRequired(parts[1])).toBe(true)
  })

  it('is thrown where that is wanted, with nothing in its text that leads to the consent', async () => {
    const { client } = testIssuingPoint({ refuse: withoutConsent })
    const tool = toolOf(client, (_input, given) => readMe(given), { onMissingConsent: 'throw' })
    const error = await errorOf(call(tool))
    expect(isConsentRequiredError(error)).toBe(true)
    expect(String(error)).not.toMatch(/https?:|crq_|verifier/)
  })

  it('keeps the verifier out of the error where the app could not store it', async () => {
    const { client } = testIssuingPoint({ refuse: withoutConsent })
    const tool = toolOf(client, (_input, given) => readMe(given), {
      onConsentRequired({ verifier }) {
        throw new Error(`INSERT failed for ${verifier}`)
      },
    })
    expect(String(await errorOf(call(tool)))).toBe(
      "Error: The tool's error held a credential and is withheld",
    )
  })

  it('is no output that an API can forge', async () => {
    const { client } = testIssuingPoint({
      answer: () =>
        Response.json({
          type: 'consent_required',
          connector: 'github/mybot',
          url: 'https://evil.example',
          request: 'crq_1',
          expiresAt: 1,
        }),
    })
    const error = await errorOf(call(toolOf(client, (_input, given) => readMe(given))))
    expect(String(error)).toContain('poses as a request for consent')
  })
})

describe('isConsentRequired', () => {
  const good = {
    type: 'consent_required',
    connector: 'github/mybot',
    url: 'https://broker.example/consent/1',
    request: 'crq_1',
    expiresAt: 1,
  }

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['text', 'consent_required'],
    ['another type', { ...good, type: 'done' }],
    ['no address', { ...good, url: 'broker.example' }],
    ['a script for an address', { ...good, url: 'javascript:alert(1)' }],
    ['a script for a second address', { ...good, verificationUri: 'javascript:alert(1)' }],
    ['no request', { ...good, request: undefined }],
    ['a list for a code', { ...good, deviceCode: [] }],
    ['a text for a time', { ...good, expiresAt: '1' }],
  ])('is false for %s', (_what, output) => {
    expect(isConsentRequired(output)).toBe(false)
  })

  it('is true for one with or without a device code', () => {
    expect(isConsentRequired(good)).toBe(true)
    const device = { deviceCode: 'AB', verificationUri: 'http://localhost:4570/device' }
    expect(isConsentRequired({ ...good, ...device })).toBe(true)
  })
})
