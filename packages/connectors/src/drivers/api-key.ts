import { z } from 'zod'
import { holdsNoDetails, noDetails } from '../details.ts'
import {
  type CheckedSettings,
  type ConnectorSettings,
  type Driver,
  type DriverBehaviour,
  InvalidSettings,
  type JsonObject,
  type MintedToken,
  type MintRefusal,
  type MintRequest,
  type ProviderAccess,
} from '../driver.ts'
import { quoted, refused, refuseUnsupported } from '../refusal.ts'
import { address, isSecure, jsonSchemaOf, mergeFields, parseFields, plainText } from '../settings.ts'

/** A stored key, in the shape in which an operator enters it, so that an update can start from what is stored. */
interface StoredKey {
  readonly value: string
  /** The scopes it stands for, sorted, parted by one space; absent for the key without a scope. */
  readonly scope?: string | undefined
  /** Milliseconds since the epoch; absent when it has no end. */
  readonly expiresAt?: number | undefined
}

const behaviour: DriverBehaviour = {
  subjects: ['app'],
  narrows: {
    scopes: true,
    resources: false,
    audience: false,
    authorizationDetails: [],
    installationId: false,
  },
  tokenType: 'N_A',
  standing: true,
  callsProvider: false,
  revokesTokens: false,
}

// RFC 6749 §3.3 scope tokens. `*` alone would read as "everything" in a request.
const scope = plainText()
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes parted by one space')
  .refine((text) => !text.split(' ').includes('*'), 'must not be *')
  .transform((text) => canonicalScope(text.split(' ')))

/** Below this a number of milliseconds lies before 2001: it is a number of seconds. */
const leastMilliseconds = 1_000_000_000_000

const instant = 'must be milliseconds since the epoch or an ISO 8601 date and time with its zone'
const expiresAt = z
  .union(
    [
      z.number().int(instant).min(leastMilliseconds, instant),
      z.iso.datetime({ offset: true, error: instant }),
    ],
    {
      error: instant,
    },
  )
  .transform((end) => (typeof end === 'number' ? end : Date.parse(end)))

const settings = z.strictObject({
  subjectType: z
    .literal('app', {
      error: 'must be app: keys of users come with consent, which is not supported here yet',
    })
    .default('app'),
  value: plainText().optional(),
  values: z
    .array(
      z.strictObject(
        { value: plainText(), scope: scope.optional(), expiresAt: expiresAt.optional() },
        {
          error: 'must be an object',
        },
      ),
      { error: 'must be a list' },
    )
    .min(1, 'must not be empty')
    .max(100, 'must hold at most 100 keys')
    .optional(),
  serviceUrls: z
    .array(
      address().refine((url) => isSecure(new URL(url)), 'must be https, unless it is on loopback'),
      { error: 'must be a list of URLs' },
    )
    .max(100, 'must hold at most 100 URLs')
    .default([]),
  instructions: z.string({ error: 'must be text' }).max(4096, 'is too long').optional(),
})

const stored = z.object({
  values: z
    .array(z.object({ value: z.string(), scope: z.string().optional(), expiresAt: z.number().optional() }))
    .min(1),
})

/** Any API key: handed out as it is, since a key can't be narrowed and mostly knows no end. */
export const apiKeyDriver: Driver = {
  service: 'api-key',
  type: 'api-key',
  title: 'API key',
  behaviour,
  dataSchema: jsonSchemaOf(settings),
  secretFields: ['value', 'values'],
  parseSettings,
  mergeSettings,
  check,
  clientUrl: (configuration) => originsOf(configuration)[0],
  normalizeDetail: noDetails,
  holdDetail: holdsNoDetails,
  isFullAccess: () => false,
  mint,
}

function parseSettings(data: unknown): ConnectorSettings {
  const { value, values, ...configuration } = parseFields(settings, data)
  if (value !== undefined && values !== undefined)
    throw new InvalidSettings('value and values must not both be given')
  const keys = values ?? (value === undefined ? [] : [{ value }])
  if (keys.length === 0) throw new InvalidSettings('value or values is required')
  const scopes = keys.map((key) => ('scope' in key ? key.scope : undefined))
  const repeated = scopes.findIndex((each, index) => scopes.indexOf(each) !== index)
  if (repeated !== -1)
    throw new InvalidSettings(
      scopes[repeated] === undefined
        ? 'values must hold at most one key without a scope'
        : `values[${repeated}].scope must differ from that of the other keys`,
    )
  const named = scopes.filter((each) => each !== undefined)
  return {
    // What a caller may ask for is no secret: without it nobody could tell which scopes there are.
    configuration: { ...configuration, ...(named.length === 0 ? {} : { scopes: named.sort() }) },
    secrets: { values: keys },
  }
}

function mergeSettings(current: ConnectorSettings, data: unknown): ConnectorSettings {
  const merged = mergeFields(current, data, ['subjectType', 'values', 'serviceUrls', 'instructions'])
  const replaced = typeof data === 'object' && data !== null && 'value' in data && !('values' in data)
  if (!replaced) return parseSettings(merged)
  const { values: _old, ...rest } = merged
  return parseSettings(rest)
}

/** There is nobody to ask whether a key works; but one that has ended already was entered by mistake. */
async function check(current: ConnectorSettings, access: ProviderAccess): Promise<CheckedSettings> {
  const keys = storedKeys(current)
  if (keys.every((key) => hasEnded(key, access.now())))
    throw new InvalidSettings(`${keys.length === 1 ? 'The key' : 'Every key'} has expired already`)
  return { configuration: {} }
}

async function mint(
  current: ConnectorSettings,
  request: MintRequest,
  access: ProviderAccess,
): Promise<MintedToken | MintRefusal> {
  const unsupported = refuseUnsupported(behaviour, request)
  if (unsupported !== undefined) return unsupported
  const key = choose(storedKeys(current), request.scopes)
  if ('outcome' in key) return key
  if (hasEnded(key, access.now()))
    return refused('provider_refused', 'The key of this connector has expired: an operator must renew it')
  return {
    outcome: 'minted',
    token: key.value,
    expiresAtMs: key.expiresAt ?? null,
    granted: { scopes: key.scope?.split(' ') ?? [], resources: [], authorizationDetails: [] },
    enforcedBy: 'none',
    origins: originsOf(current.configuration),
  }
}

function choose(keys: readonly StoredKey[], scopes: readonly string[]): StoredKey | MintRefusal {
  if (keys.length === 0) return refused('no_credential', 'This connector holds no key')
  if (scopes.length === 0) {
    const key = keys.length === 1 ? keys[0] : keys.find((each) => each.scope === undefined)
    return key ?? refused('invalid_request', 'scopes must name one of the keys of this connector')
  }
  const key = keys.find((each) => each.scope === canonicalScope(scopes))
  if (key !== undefined) return key
  return scopes.length === 1
    ? refused('above_grant', `This connector has no key for the scope ${quoted(scopes.join())}`)
    : refused(
        'invalid_request',
        'This connector has no key for exactly these scopes: ask for one key at a time',
      )
}

function canonicalScope(scopes: readonly string[]): string {
  return [...new Set(scopes)].sort().join(' ')
}

function storedKeys(current: ConnectorSettings): readonly StoredKey[] {
  const result = stored.safeParse(current.secrets)
  return result.success ? result.data.values : []
}

function hasEnded(key: StoredKey, now: number): boolean {
  return key.expiresAt !== undefined && key.expiresAt <= now
}

function originsOf(configuration: JsonObject): readonly string[] {
  const urls = z.array(z.string()).catch([]).parse(configuration.serviceUrls)
  return [...new Set(urls.map((url) => new URL(url).origin))]
}
