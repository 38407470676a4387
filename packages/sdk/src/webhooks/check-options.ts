import { currentFetch } from '../client/context.ts'
import { readProcessEnvironment } from '../client/environment.ts'
import { readFields } from '../consent/read-fields.ts'
import { ConnectError } from '../errors/connect-error.ts'
import { parseIssuingPointUrl } from '../issuing-point/parse-issuing-point-url.ts'
import { checkFunction, checkId, mustBe, optional } from '../request/check-values.ts'
import { rememberHere } from './replay-memory.ts'
import type { VerifyWebhookOptions } from './types.ts'

/** The options of `verifyWebhook`, copied, with their defaults. */
export interface CheckedOptions {
  readonly base: string
  readonly project: string
  readonly environment: string
  readonly destination: URL | undefined
  readonly fetch: typeof globalThis.fetch
  readonly now: () => number
  readonly seen: (jti: string, expiresAtMs: number) => boolean | Promise<boolean>
}

const names = ['project', 'environment', 'url', 'destination', 'fetch', 'now', 'seen'] as const

export function checkOptions(options: VerifyWebhookOptions): CheckedOptions {
  const given = readFields(options, 'options', names)
  const project = checkId(given.project, 'project')
  const environment = checkId(given.environment, 'environment')
  const { base } = parseIssuingPointUrl(...addressOf(given.url))
  const now = optional(given.now, checkFunction<() => number>, 'now') ?? Date.now
  return {
    base,
    project,
    environment,
    destination: optional(given.destination, checkDestination, 'destination'),
    fetch: optional(given.fetch, checkFunction<typeof globalThis.fetch>, 'fetch') ?? currentFetch,
    now,
    seen:
      optional(given.seen, checkFunction<CheckedOptions['seen']>, 'seen') ??
      ((jti, expiresAtMs) => rememberHere(`${base} ${jti}`, expiresAtMs, now())),
  }
}

function addressOf(url: unknown): [unknown, string] {
  if (url !== undefined) return [url, 'url']
  const variable = readProcessEnvironment('VALETKEY_URL')
  if (variable === undefined)
    throw new ConnectError('No issuing point is named: set VALETKEY_URL, or pass `url`', {
      code: 'issuing_point_missing',
    })
  return [variable, 'VALETKEY_URL']
}

function checkDestination(value: unknown, name: string): URL {
  if (typeof value !== 'string' || !URL.canParse(value)) throw mustBe(name, 'an address')
  return new URL(value)
}
