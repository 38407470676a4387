import { afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { InvalidSettings, type ProviderAccess, ProviderFault } from './driver.ts'
import { callProvider, maxAnswerBytes, readAnswer } from './http.ts'
import { accessAt, type FakeAnswer, type FakeProvider, serve } from './test-server.ts'

const secretInAnswer = 'ghs_leaked'
const closing: FakeProvider[] = []

afterEach(async () => {
  for (const provider of closing.splice(0)) await provider.close()
})

async function call(answer: FakeAnswer, access: ProviderAccess = accessAt(Date.now())) {
  const provider = await serve(() => answer)
  closing.push(provider)
  return await callProvider(access, {
    provider: 'Fake',
    method: 'GET',
    url: `${provider.url}/thing`,
    headers: { authorization: 'Bearer secret' },
  })
}

async function faultOf(answer: FakeAnswer, access?: ProviderAccess): Promise<ProviderFault> {
  const fault = await call(answer, access).catch((error: unknown) => error)
  if (!(fault instanceof ProviderFault)) throw new Error(`not a fault: ${String(fault)}`)
  return fault
}

test('gives status, headers and JSON of an answer', async () => {
  const answer = await call({ status: 201, headers: { 'x-thing': 'yes' }, json: { a: 1 } })
  expect(answer.status).toBe(201)
  expect(answer.headers.get('x-thing')).toBe('yes')
  expect(answer.body).toEqual({ a: 1 })
})

test('a 4xx is an answer, for the driver to read', async () => {
  expect((await call({ status: 404, json: { message: 'no' } })).status).toBe(404)
})

test('an empty body and one that is not JSON are both undefined', async () => {
  expect((await call({ status: 200 })).body).toBeUndefined()
  expect((await call({ raw: (response) => response.end('<html>') })).body).toBeUndefined()
})

test.each([301, 302, 303, 307, 308])('never follows a %i, not even to the same host', async (status) => {
  const provider = await serve((request) =>
    request.path === '/start' ? { status, headers: { location: '/stolen' } } : { json: {} },
  )
  closing.push(provider)
  const fault = await callProvider(accessAt(Date.now()), {
    provider: 'Fake',
    method: 'GET',
    url: `${provider.url}/start`,
    headers: { authorization: 'Bearer secret' },
  }).catch((error: unknown) => error)
  expect(fault).toBeInstanceOf(ProviderFault)
  expect(fault).toHaveProperty('status', status)
  expect(provider.seen.map((request) => request.path)).toEqual(['/start'])
})

test.each([408, 429, 500, 502, 503, 504])('a %i is a fault that carries its status', async (status) => {
  expect((await faultOf({ status, json: { message: secretInAnswer } })).status).toBe(status)
})

test('a fault holds nothing of what the provider said, in message, cause or elsewhere', async () => {
  const fault = await faultOf({ status: 500, json: { token: secretInAnswer } })
  expect(JSON.stringify({ ...fault, message: fault.message, stack: fault.stack })).not.toContain(
    secretInAnswer,
  )
  expect(fault.cause).toBeUndefined()
})

test('an answer of exactly the limit is read, one byte more is a fault', async () => {
  const body = (bytes: number) => ({
    raw: (response: { end: (text: string) => void }) => response.end(`"${'x'.repeat(bytes - 2)}"`),
  })
  expect((await call(body(maxAnswerBytes))).body).toHaveLength(maxAnswerBytes - 2)
  expect((await faultOf(body(maxAnswerBytes + 1))).message).toContain('more than')
})

test('stops reading an answer that never ends', async () => {
  let written = 0
  const fault = await faultOf({
    raw: (response) => {
      const chunk = 'x'.repeat(65_536)
      const write = () => {
        while (!response.destroyed && response.write(chunk)) written += chunk.length
        if (!response.destroyed) response.once('drain', write)
      }
      write()
    },
  })
  expect(fault.message).toContain('more than')
  // The rest sits in the buffers of the two sockets: the point is that it is bounded.
  expect(written).toBeLessThan(32 * maxAnswerBytes)
})

test('an answer that drips past the signal is a fault', async () => {
  const fault = await faultOf(
    { raw: (response) => void response.write('{') },
    accessAt(Date.now(), { signal: AbortSignal.timeout(100) }),
  )
  expect(fault.message).toBe('Fake could not be reached, or did not answer in time')
})

test('a connection that fails is a fault without the address or the cause', async () => {
  const fetch = vi.fn(async () => {
    throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 10.0.0.7:443') })
  })
  const fault = await faultOf({}, accessAt(Date.now(), { fetch }))
  expect(fault.message).not.toContain('10.0.0.7')
  expect(fault.cause).toBeUndefined()
})

test.each([new InvalidSettings('the host is not public'), new ProviderFault('the host is not public')])(
  'keeps the reason of a fetch that refuses in the terms of a driver: %s',
  async (refusal) => {
    const fetch = vi.fn(async () => {
      throw refusal
    })
    await expect(call({}, accessAt(Date.now(), { fetch }))).rejects.toBe(refusal)
  },
)

test('a body of another shape is a fault that does not quote it', async () => {
  const answer = await call({ json: { token: 1, other: secretInAnswer } })
  expect(() => readAnswer('Fake', answer, z.object({ token: z.string() }))).toThrow(
    new ProviderFault('Fake answered in a form that was not expected (status 200)', { status: 200 }),
  )
})
