import { randomBytes } from 'node:crypto'
import {
  type Driver,
  type DriverBehaviour,
  InvalidSettings,
  type MintedToken,
  type MintRefusal,
  type MintRequest,
  ProviderFault,
} from '@valetkey/connectors'
import type { AuthorizationDetail } from '@valetkey/protocol'
import type { Clock } from './clock.ts'

/** A provider of the test's own: mints a new token each time, and remembers everything. */
export interface TestProvider {
  readonly driver: Driver
  /** What was asked for, in order. */
  readonly mints: MintRequest[]
  /** Tokens that were minted, in order. */
  readonly minted: string[]
  /** Tokens that it was asked to end, in order. */
  readonly revoked: string[]
  /** Change the course of the next calls. */
  readonly next: {
    /** Awaited before a mint answers. */
    hold?: Promise<unknown>
    /** Answered instead of a token. */
    refusal?: MintRefusal
    /** Thrown instead of an answer. */
    fault?: Error
    /** Ending a token fails with this. */
    revokeFault?: Error
    /** Milliseconds a token lives. Default an hour; `null`: for ever. */
    lifeMs?: number | null
  }
  /** Resolves once the provider has been asked for `count` tokens since the start. */
  readonly asked: (count: number) => Promise<void>
}

const behaviour: DriverBehaviour = {
  subjects: ['app', 'user', 'jwt-bearer', 'token'],
  narrows: {
    scopes: true,
    resources: true,
    audience: true,
    authorizationDetails: ['files'],
    installationId: true,
  },
  standing: false,
  callsProvider: true,
  revokesTokens: true,
}

/**
 * Creates a provider named `vault`. A detail `{ type: 'files', paths: [...] }` narrows to paths; a token's text
 * begins with the scopes it was minted for, so that a test can see whose ceiling it came from.
 */
export function createProvider(clock: Clock): TestProvider {
  const provider: Omit<TestProvider, 'driver'> = {
    mints: [],
    minted: [],
    revoked: [],
    next: {},
    asked: async (count) => {
      const deadline = performance.now() + 10_000
      while (provider.mints.length < count) {
        if (performance.now() > deadline) throw new Error(`The provider was not asked for ${count} tokens`)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    },
  }
  return { ...provider, driver: driverOf(provider, clock) }
}

function driverOf(provider: Omit<TestProvider, 'driver'>, clock: Clock): Driver {
  return {
    service: 'vault',
    type: 'vault',
    title: 'Vault',
    behaviour,
    dataSchema: { type: 'object' },
    secretFields: ['secret'],
    parseSettings: (data) => {
      const secret = typeof data === 'object' && data !== null ? Reflect.get(data, 'secret') : undefined
      if (typeof secret !== 'string') throw new InvalidSettings('secret is required')
      return { configuration: { region: 'eu' }, secrets: { secret } }
    },
    mergeSettings: (current, data) => ({
      configuration: current.configuration,
      secrets: { ...current.secrets, ...(data as object) },
    }),
    check: async () => ({ configuration: {} }),
    clientUrl: () => 'https://vault.example',
    normalizeDetail: (detail) => ({ ...detail, paths: pathsOf(detail) }),
    holdDetail: (wanted, ceiling) => {
      const allowed = pathsOf(ceiling)
      const paths = wanted.paths === undefined ? allowed : pathsOf(wanted)
      const above = paths.filter((path) => !allowed.includes(path))
      return above.length === 0
        ? { within: true, detail: { ...wanted, paths } }
        : { within: false, part: `paths ${above.join(', ')}` }
    },
    isFullAccess: () => false,
    mint: (_settings, request) => mint(provider, request, clock),
    revokeToken: async (_settings, token) => {
      provider.revoked.push(token)
      if (provider.next.revokeFault !== undefined) throw provider.next.revokeFault
      return 'revoked'
    },
  }
}

async function mint(
  { mints, minted, next }: Omit<TestProvider, 'driver'>,
  request: MintRequest,
  clock: Clock,
): Promise<MintedToken | MintRefusal> {
  mints.push(request)
  await next.hold
  if (next.fault !== undefined) throw next.fault
  if (next.refusal !== undefined) return next.refusal
  const token = `${request.scopes.join('+') || 'plain'}~${randomBytes(24).toString('base64url')}`
  minted.push(token)
  const { lifeMs = 3_600_000 } = next
  return {
    outcome: 'minted',
    token,
    expiresAtMs: lifeMs === null ? null : clock.now() + lifeMs,
    granted: {
      scopes: request.scopes,
      resources: request.resources,
      authorizationDetails: request.authorizationDetails,
    },
    enforcedBy: 'provider',
    origins: ['https://vault.example'],
    ...(request.installationId === undefined ? {} : { installationId: request.installationId }),
  }
}

function pathsOf(detail: AuthorizationDetail): readonly string[] {
  const { paths = [] } = detail
  if (!Array.isArray(paths)) throw new InvalidSettings('paths must be a list')
  return paths.map(String).sort()
}

/** A fault upstream, as a driver reports it. */
export function upstreamFault(): ProviderFault {
  return new ProviderFault('Vault answered with status 500', { status: 500 })
}
