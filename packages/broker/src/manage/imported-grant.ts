import type { Driver, GrantCredential, GrantIdentity, GrantKind } from '@valetkey/connectors'
import { z } from 'zod'
import { accept, type Outcome, refuse } from '../refusal.ts'
import type { NamedAttachment } from '../store/attachments.ts'
import type { GrantKey } from '../store/grants.ts'
import { maxGrantNameBytes } from '../store/grants.ts'
import type { ConnectorRow } from '../store/schema.ts'
import { environmentSchema, parseInput } from './input.ts'

const name = z.string().min(1).max(256)
const id = z.string().min(1).max(2048)
const secret = z.string().min(1).max(16_384)
/** Milliseconds since the epoch, as far as a date goes. */
const moment = z.number().int().min(0).max(8_640_000_000_000_000)

const importedToken = z.strictObject({
  accessToken: secret,
  expiresAt: moment,
  subject: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('app') }),
    z.strictObject({ type: z.literal('user'), id, issuer: id.optional() }),
  ]),
  environment: environmentSchema,
  refreshToken: secret.optional(),
  refreshTokenExpiresAt: moment.optional(),
  installation: z.strictObject({ id, name: name.optional() }).optional(),
  tenant: z.strictObject({ id, name: name.optional() }).optional(),
  scopes: z.array(z.string().min(1).max(2048)).max(100).optional(),
})

type ImportedToken = z.output<typeof importedToken>

/** Where tokens are imported to. */
export interface ImportPlace {
  readonly connector: Pick<ConnectorRow, 'id' | 'configuration'>
  readonly driver: Driver
  /** Of the connector to the project, by environment. */
  readonly attachments: ReadonlyMap<string, NamedAttachment>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** What a token becomes. */
export interface ImportedGrant {
  readonly attachment: NamedAttachment
  readonly key: GrantKey
  readonly identity: GrantIdentity
  readonly credential: GrantCredential
  readonly scopes: readonly string[]
  readonly refreshable: boolean
}

/**
 * Decides what one imported token becomes, or why nothing.
 *
 * A consent would have been held to the ceiling before the provider was asked; an import is held to it here.
 */
export function importedGrant(token: unknown, place: ImportPlace): Outcome<ImportedGrant> {
  const parsed = parseInput(importedToken, token)
  if (!parsed.ok) return parsed
  const input = parsed.value
  const attachment = place.attachments.get(input.environment)
  if (attachment === undefined)
    return refuse({
      reason: 'not_found',
      what: `attachment of this connector to this project in ${input.environment}`,
    })
  const fault = faultOf(input, place) ?? ceilingFault(input, attachment)
  if (fault !== undefined) return fault
  const kind = kindOf(input)
  const key: GrantKey = {
    connectorId: place.connector.id,
    owner: attachment.owner,
    kind,
    issuer: (input.subject.type === 'user' ? input.subject.issuer : undefined) ?? '',
    userId: input.subject.type === 'user' ? input.subject.id : '',
    installationId: input.installation?.id ?? '',
  }
  if (Buffer.byteLength(key.issuer + key.userId + key.installationId) > maxGrantNameBytes)
    return invalid(`subject, installation: together longer than ${maxGrantNameBytes} bytes`)
  return accept({
    attachment,
    key,
    identity: identityOf(input),
    credential: credentialOf(input),
    scopes: input.scopes ?? [],
    refreshable: canRefresh(input, place),
  })
}

function invalid(message: string): ReturnType<typeof refuse> {
  return refuse({ reason: 'request_invalid', message })
}

function kindOf(input: ImportedToken): GrantKind {
  return input.subject.type === 'user' ? 'user' : 'installation'
}

function canRefresh(input: ImportedToken, { driver, now }: ImportPlace): boolean {
  const endsAt = input.refreshTokenExpiresAt ?? Number.POSITIVE_INFINITY
  return input.refreshToken !== undefined && endsAt > now && driver.consent?.refresh !== undefined
}

/** What is wrong with a token whatever the attachment allows. */
function faultOf(input: ImportedToken, place: ImportPlace): ReturnType<typeof refuse> | undefined {
  const { driver, connector, now } = place
  if (input.subject.type === 'app' && input.installation === undefined)
    return invalid('installation: needed where the subject is the app')
  const kinds = driver.consent?.behaviour(connector.configuration).kinds ?? []
  if (!kinds.includes(kindOf(input))) {
    const what = input.subject.type === 'user' ? 'consents of users' : 'installations'
    return invalid(`subject: this ${driver.service} connector keeps no ${what}`)
  }
  if (input.refreshTokenExpiresAt !== undefined && input.refreshToken === undefined)
    return invalid('refreshTokenExpiresAt: there is no refreshToken')
  if (input.expiresAt <= now && !canRefresh(input, place))
    return invalid('expiresAt: the token has ended, and nothing can refresh it')
  return undefined
}

/** Why the attachment may not have such a token. */
function ceilingFault(
  input: ImportedToken,
  attachment: NamedAttachment,
): ReturnType<typeof refuse> | undefined {
  const { subjects, scopes } = attachment
  if (subjects !== null && !subjects.includes(input.subject.type))
    return refuse({ reason: 'above_ceiling', part: `subject ${input.subject.type}` })
  if (scopes === null) return undefined
  // A token whose scopes nobody names could carry any.
  if (input.scopes === undefined || input.scopes.length === 0)
    return invalid('scopes: needed, because the attachment limits them')
  const above = input.scopes.filter((scope) => !scopes.includes(scope))
  return above.length === 0
    ? undefined
    : refuse({ reason: 'above_ceiling', part: `scopes ${above.join(', ')}` })
}

function identityOf({ installation, tenant }: ImportedToken): GrantIdentity {
  const called = installation?.name ?? tenant?.name
  return {
    ...(installation === undefined ? {} : { installationId: installation.id }),
    ...(tenant === undefined ? {} : { tenantId: tenant.id }),
    ...(called === undefined ? {} : { name: called }),
  }
}

function credentialOf(input: ImportedToken): GrantCredential {
  const { refreshToken, refreshTokenExpiresAt } = input
  return {
    accessToken: input.accessToken,
    accessExpiresAtMs: input.expiresAt,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(refreshTokenExpiresAt === undefined ? {} : { refreshExpiresAtMs: refreshTokenExpiresAt }),
    granted: { scopes: input.scopes ?? [], resources: [], authorizationDetails: [] },
  }
}
