import { HttpResponse, http } from 'msw'
import { answerCall, type World } from './answer-call.ts'
import { checkFailures, checkOptions } from './check-options.ts'
import { connectorOf } from './connectors.ts'
import { createConsents } from './consents.ts'
import { answerOfFailure, createFailures } from './failures.ts'
import { type FoundCall, findCall } from './find-call.ts'
import { createGrants } from './grants.ts'
import { readIdentity, unsignedIdentity } from './identity.ts'
import { parseBody } from './parse-body.ts'
import { seenRequest } from './seen-request.ts'
import { createTokens } from './tokens.ts'
import type { MockIssuingPoint, MockIssuingPointOptions, MockRequest } from './types.ts'
import { answerOf, refuse } from './wire.ts'

/**
 * An issuing point for tests, as handlers of Mock Service Worker: what asks at its URL is answered as by a broker, and no
 * request leaves the process.
 *
 * Tokens, consent and failures live in the mock: make one a test, and what one test does is unknown to the next, unless a client
 * that asks both with one identity of its own keeps a token: then give each a `url`. It takes
 * any identity that has not expired, because nothing is verified: `npx valetkey dev --ephemeral` is a broker that does.
 *
 * @throws {TypeError} for an unknown key or a malformed option, which it names; values are not repeated.
 */
export function mockIssuingPoint(options: MockIssuingPointOptions = {}): MockIssuingPoint {
  const checked = checkOptions(options)
  const { url, now } = checked
  const consentOf = (connector: string) => checked.consent.get(connector) ?? 'granted'
  const named = checked.tokens && new Set([...checked.tokens.keys(), ...checked.consent.keys()])
  const grants = createGrants(consentOf)
  const failures = createFailures(checked.failures)
  const world: World = {
    exists: (connector) => named?.has(connector) ?? true,
    ...{ consentOf, grants, startedAtMs: now() },
    tokens: createTokens(checked.tokens, now),
    consents: createConsents(url, now, (connector, subject) => {
      if (subject !== undefined) grants.add(connector, subject)
    }),
  }
  const { tokens, consents } = world
  const requests: MockRequest[] = []
  // A connector may be asked for by its id as well, which follows from the UID: so one that was told was seen before.
  const ids = new Map([...(named ?? [])].map((uid) => [connectorOf(uid).id, uid]))

  function connectorIn({ call, name }: FoundCall): string | undefined {
    if (call === 'status' || call === 'complete') return consents.connectorOf(name)
    const uid = ids.get(name) ?? name
    ids.set(connectorOf(uid).id, uid)
    return uid
  }

  async function answer(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname.slice(new URL(url).pathname.replace(/\/$/, '').length)
    const found = findCall(request.method, path)
    if (found === undefined) return answerOf(refuse('not_found', 'There is no such route'))
    const { call } = found
    const connector = connectorIn(found)
    const identity = readIdentity(request.headers.get('authorization'), now())
    const text = await request.text()
    const type = request.headers.get('content-type')
    const body = call === 'describe' ? { body: {} } : parseBody(call, type, text)
    const seen = seenRequest(found, connector, identity, body)
    requests.push(seen)
    const failure = failures.take(connector)
    if (failure !== undefined) return (await answerOfFailure(failure, request.signal)) ?? HttpResponse.error()
    if ('refusal' in identity) return answerOf(identity)
    const name = seen.request ?? connector ?? found.name
    return answerOf(await answerCall(world, { call, name, body, request: seen }))
  }

  return {
    url,
    requests,
    environment: { VALETKEY_URL: url, VALETKEY_ID_TOKEN: unsignedIdentity(url, now()) },
    // One for all routes: what it does not know is answered as well, and never goes out.
    handlers: [
      http.all(
        ({ request }) => request.url.startsWith(`${url}/`),
        ({ request }) => answer(request),
      ),
    ],
    consent: (request) => consents.answer(request, true),
    deny: (request) => consents.answer(request, false),
    revoke(connector, subject) {
      tokens.end({ connector, subject })
      if (subject === undefined || subject.type === 'user') grants.end(connector, subject)
    },
    expireTokens: (connector) => void tokens.end({ connector }),
    isLive: (token) => tokens.isLive(token),
    fail: (...given) => failures.replace(checkFailures(given, 'failures')),
  }
}
