import { accessToken } from '../broker-client/answers.ts'
import { createBrokerClient } from '../broker-client/client.ts'
import { networkFailure } from '../broker-client/fault.ts'
import { locateBroker, locatePlace } from '../broker-client/locate.ts'
import { asFailure, Failure } from '../failure.ts'
import { cell } from '../output/text.ts'
import type { Shell } from '../shell.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Whether a broker is named, answers, is ready, agrees about the time and accepts the operator's token. */
export async function checkBroker(shell: Shell): Promise<readonly Finding[]> {
  const place = await locatePlace(shell).catch(asFailure)
  if (place instanceof Failure) return [asFinding('broker', place)]
  const found = ok('broker', `${place.url}, from ${place.source}`)
  const health = await checkHealth(shell, place.url)
  if (health.some(({ status }) => status === 'fail')) return [found, ...health]
  return [found, ...health, await checkToken(shell)]
}

async function checkHealth(shell: Shell, url: string): Promise<readonly Finding[]> {
  const before = shell.now()
  const alive = await probe(shell, `${url}/healthz`, url)
  if (alive instanceof Failure) return [asFinding('reachable', alive)]
  const after = shell.now()
  if (alive.status !== 200)
    return [
      fail('reachable', `${url}/healthz answers ${alive.status}`, 'Check that VALETKEY_URL is a broker.'),
    ]
  const ready = await probe(shell, `${url}/readyz`, url)
  const readiness =
    ready instanceof Failure
      ? asFinding('ready', ready)
      : ready.status === 200
        ? ok('ready', 'The broker can serve')
        : fail(
            'ready',
            `The broker cannot serve (${ready.status})`,
            'See its log, or GET /readyz for the reason.',
          )
  return [
    ok('reachable', `Answers in ${after - before} ms`),
    readiness,
    ...checkClock(alive.headers.get('date'), before, after),
  ]
}

async function probe(shell: Shell, target: string, url: string): Promise<Response | Failure> {
  try {
    const signal = AbortSignal.timeout(10_000)
    const response = await shell.fetch(target, { redirect: 'manual', signal })
    await response.body?.cancel()
    return response
  } catch (error) {
    return networkFailure(error, url)
  }
}

/** Brokers allow 30 s between clocks: beyond it every identity minted here is refused. */
export function checkClock(date: string | null, beforeMs: number, afterMs: number): readonly Finding[] {
  const there = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(there)) return []
  // The header has whole seconds: half of one is the best guess.
  const skewSeconds = Math.round((there + 500 - (beforeMs + afterMs) / 2) / 1000)
  const size = Math.abs(skewSeconds)
  const text = `The broker's clock is ${size} s ${skewSeconds < 0 ? 'behind' : 'ahead of'} this one`
  const next = 'Set both clocks by NTP.'
  if (size > 30) return [fail('clock', text, next)]
  return [size > 5 ? warn('clock', text, next) : ok('clock', 'The clocks agree')]
}

async function checkToken(shell: Shell): Promise<Finding> {
  const broker = await locateBroker(shell).catch(asFailure)
  if (broker instanceof Failure) {
    if (broker.code !== 'identity_unavailable') return asFinding('access token', broker)
    return warn(
      'access token',
      'VALETKEY_ACCESS_TOKEN is not set: nothing can be managed from here',
      "Set it to an operator's token; `valetkey token create --role manager` makes one.",
    )
  }
  const client = createBrokerClient({ url: broker.url, accessToken: broker.accessToken, fetch: shell.fetch })
  try {
    const token = await client.call('GET', '/v1/access-tokens/self', accessToken)
    return ok('access token', `${cell(token.id)}, role ${cell(token.role)}`)
  } catch (error) {
    return asFinding('access token', asFailure(error))
  }
}

/** A failure as a finding. */
function asFinding(name: string, failure: Failure): Finding {
  return fail(name, failure.message, failure.next ?? '`valetkey dev` starts a broker on this machine.')
}
