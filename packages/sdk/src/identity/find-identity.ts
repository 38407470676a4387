import { type ReadEnvironment, vercelRequestContext } from '../client/environment.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { FoundIdentity } from './identity-source.ts'
import { mayReceiveOperatorCredentials } from './operator-credential.ts'
import { identitySources, type SourceRow } from './sources.ts'

/** What is found where no source matches. It cannot be obtained. */
export const noIdentity: FoundIdentity = { source: { name: 'none', partition: 'given' }, found: '' }

/**
 * The identity that the environment shows: of the source that `VALETKEY_IDENTITY` names, else of the first that
 * matches. Decided from variables alone, at every call; nothing is probed, and nothing is remembered.
 *
 * When there is none, one that cannot be obtained: asking for it throws `identity_unavailable`, with every source and
 * why it declined.
 */
export function findIdentity(read: ReadEnvironment, destination: Destination): FoundIdentity {
  const forced = read('VALETKEY_IDENTITY')
  for (const source of identitySources) {
    if (forced !== undefined && source.name !== forced) continue
    const found = find(source, forced !== undefined, read, destination)
    if (found !== undefined) return { source, found }
  }
  return noIdentity
}

/** What a source finds: undefined when it declines, '' when it matches and something is missing. */
function find(
  { name, partition, reads, shownBy, isOperators }: SourceRow,
  isForced: boolean,
  read: ReadEnvironment,
  destination: Destination,
): string | undefined {
  const isVercel = name === 'vercel'
  // Vercel Connect takes Vercel's own identities, and no other platform's.
  if (destination.isVercelConnect && !isVercel) return undefined
  const ofRequest = isVercel ? vercelRequestContext() : undefined
  const isShown = ofRequest !== undefined || shownBy.some((variable) => read(variable) !== undefined)
  // A platform that is named is asked, whatever shows. A variable of the operator's is there or not.
  if (!isShown && (isOperators || !isForced)) return undefined
  if (isOperators && !mayReceiveOperatorCredentials(read, destination)) return undefined
  const values = reads.map((variable) => read(variableFor(variable, destination)) ?? '')
  if (partition !== 'given') return values.join('\n')
  // Of two tokens of Vercel's, the one that lives longer is sent: which, only their claims tell.
  if (isVercel) return [ofRequest?.headers?.['x-vercel-oidc-token'], ...values].filter(isToken).join(' ')
  return values.find(isToken) ?? ''
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function variableFor(variable: string, { audience }: Destination): string {
  if (variable[0] !== '*') return variable
  const name = audience.toUpperCase().replace(/[^A-Z0-9]/g, '_') + variable.slice(1)
  // An audience such as `valetkey` would name the operator's own variable, which has its rules about where it goes.
  return name.startsWith('VALETKEY_') ? '' : name
}
