// A provider with consent, and grants put into a broker without anybody's click; not part of the package.
import type { ConsentDriver, GrantCredential, GrantIdentity, RefreshResult } from '@valetkey/connectors'
import type { BrokerContext } from '../context.ts'
import { keepGrant } from '../store/grants.ts'
import type { GrantRow } from '../store/schema.ts'
import { sealCredential } from './grant-credential.ts'

/** A provider that rotates refresh tokens and ends the whole grant when a spent one comes back. */
export interface RotatingProvider {
  readonly consent: ConsentDriver
  /** How often it refreshed, and how often a spent token came back. */
  readonly calls: { refreshes: number; reuses: number; endings: string[] }
  /** The refresh token that is good now; empty once the grant is ended. */
  good: string
  /** Runs inside the next refreshes, after the provider has rotated. */
  afterRotation: () => Promise<void>
  /** Runs before the provider looks at the token. */
  beforeRefresh: () => Promise<RefreshResult | undefined>
}

export function createRotatingProvider(now: () => number, lifeMs = 3_600_000): RotatingProvider {
  const provider: RotatingProvider = {
    calls: { refreshes: 0, reuses: 0, endings: [] },
    good: 'refresh-0',
    afterRotation: async () => {},
    beforeRefresh: async () => undefined,
    consent: {
      places: ['apiUrl'],
      behaviour: () => ({
        kinds: ['user', 'installation'],
        refreshEndsAccessToken: true,
        endsGrants: true,
      }),
      defaultScopes: () => ['read'],
      start: async () => ({ url: 'https://provider.test/authorize', pending: {} }),
      finish: async () => ({ outcome: 'refused', reason: 'denied', message: 'no' }),
      issue: (_settings, { credential }, request) => {
        const missing = request.scopes.find((scope) => !credential.granted.scopes.includes(scope))
        if (missing !== undefined) {
          return { outcome: 'refused', reason: 'above_grant', message: `scope ${missing} was not granted` }
        }
        return {
          outcome: 'minted',
          token: credential.accessToken ?? '',
          expiresAtMs: credential.accessExpiresAtMs,
          granted: credential.granted,
          enforcedBy: 'none',
          origins: ['https://api.provider.test'],
        }
      },
      refresh: async (_settings, credential, _access, keep) => {
        const early = await provider.beforeRefresh()
        if (early !== undefined) return early
        if (credential.refreshToken !== provider.good) {
          provider.calls.reuses++
          provider.good = ''
          return { outcome: 'ended' }
        }
        const number = ++provider.calls.refreshes
        provider.good = `refresh-${number}`
        await provider.afterRotation()
        const rotated = {
          accessToken: `access-${number}`,
          refreshToken: provider.good,
          accessExpiresAtMs: now() + lifeMs,
        }
        await keep(rotated)
        return { outcome: 'refreshed', credential: { ...credential, ...rotated } }
      },
      endGrant: async (_settings, credential) => {
        provider.calls.endings.push(credential.refreshToken ?? credential.accessToken ?? '')
        return 'revoked'
      },
    },
  }
  return provider
}

/** A credential whose access token ends at `accessExpiresAtMs`. */
export function credentialUntil(accessExpiresAtMs: number | null): GrantCredential {
  return {
    accessToken: 'access-0',
    accessExpiresAtMs,
    refreshToken: 'refresh-0',
    granted: { scopes: ['read', 'write'], resources: [], authorizationDetails: [] },
  }
}

/** Puts a grant where a consent would have. */
export async function plantGrant(
  context: BrokerContext,
  of: {
    readonly connector: string
    readonly project: string
    readonly environment?: string
    readonly kind?: GrantRow['kind']
    readonly userId?: string
    readonly issuer?: string
    readonly installationId?: string
    readonly identity?: GrantIdentity
    readonly credential: GrantCredential
  },
): Promise<string> {
  const attachment = await context.db
    .selectFrom('attachments')
    .innerJoin('projects', 'projects.id', 'attachments.project_id')
    .innerJoin('connectors', 'connectors.id', 'attachments.connector_id')
    .selectAll('attachments')
    .where('connectors.uid', '=', of.connector)
    .where('projects.name', '=', of.project)
    .where('attachments.environment', '=', of.environment ?? 'development')
    .executeTakeFirstOrThrow()
  const { credential } = of
  const key = {
    connectorId: attachment.connector_id,
    owner: attachment.owner,
    kind: of.kind ?? 'user',
    issuer: of.issuer ?? '',
    userId: of.userId ?? '',
    installationId: of.installationId ?? '',
  } as const
  const id = await context.db.transaction().execute((transaction) =>
    keepGrant(transaction, attachment.id, {
      key,
      projectId: attachment.project_id,
      environment: attachment.environment,
      identity: of.identity ?? {},
      scopes: credential.granted.scopes,
      refreshable: credential.refreshToken !== undefined,
      accessExpiresAt: credential.accessExpiresAtMs,
      now: context.now(),
      seal: (place) =>
        sealCredential(
          context.keyRing,
          {
            ...place,
            connector_id: key.connectorId,
            owner: key.owner,
            kind: key.kind,
            issuer: key.issuer,
            user_id: key.userId,
            installation_id: key.installationId,
          },
          credential,
        ),
    }),
  )
  if (id === undefined) throw new Error('the attachment is gone')
  return id
}
