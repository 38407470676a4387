import type { ReadEnvironment } from '../client/environment.ts'
import type { Destination } from '../issuing-point/issuing-point.ts'
import type { FoundIdentity } from './identity-source.ts'
import { identitySources, type SourceRow } from './sources.ts'

/** What one source had to say. */
export interface SourceReport {
  readonly name: string
  /**
   * `used`: it gave the identity. `broken`: it matched and gave none, so that no other was asked. `declined`: it did not
   * match. `not_asked`: one before it matched.
   */
  readonly outcome: 'used' | 'broken' | 'declined' | 'not_asked'
  readonly reason: string
}

/** Every source in the order in which they are asked, and why each was or was not the one. Loads no platform's module. */
export function reportSources(
  read: ReadEnvironment,
  destination: Destination,
  { source: found }: FoundIdentity,
  /** What the source that matched said instead of giving an identity. */
  failure?: string,
): readonly SourceReport[] {
  const forced = read('VALETKEY_IDENTITY')
  let isDecided = false
  return identitySources.map((source): SourceReport => {
    const { name } = source
    if (name === found.name) {
      isDecided = true
      return failure === undefined
        ? {
            name,
            outcome: 'used',
            reason: forced === name ? 'VALETKEY_IDENTITY names it' : shownReason(source, read),
          }
        : { name, outcome: 'broken', reason: failure }
    }
    if (isDecided) return { name, outcome: 'not_asked', reason: `${found.name} comes first` }
    const reason =
      forced !== undefined && forced !== name
        ? `VALETKEY_IDENTITY asks for ${identitySources.some((each) => each.name === forced) ? forced : 'another'}`
        : whyDeclined(source, read, destination)
    return { name, outcome: 'declined', reason }
  })
}

/** Why a source does not match here. Names variables, never their values. */
export function whyDeclined(
  { name, shownBy, isOperators }: SourceRow,
  read: ReadEnvironment,
  destination: Destination,
): string {
  if (destination.isVercelConnect && !isOperators && name !== 'vercel')
    return 'Vercel Connect does not take it'
  if (isOperators && shownBy.some((variable) => read(variable) !== undefined))
    return `${shownBy.join(', ')} is sent only to the origin of VALETKEY_URL, and this is another issuing point`
  const note = notes.get(name)?.(read)
  const reason =
    shownBy.length === 0
      ? 'only when VALETKEY_IDENTITY names it'
      : shownBy.length === 1
        ? `${shownBy[0]} is not set`
        : `none of ${shownBy.join(', ')} is set`
  return note === undefined ? reason : `${reason} (${note})`
}

function shownReason({ name, shownBy }: SourceRow, read: ReadEnvironment): string {
  const variable = shownBy.find((candidate) => read(candidate) !== undefined)
  if (variable !== undefined) return `${variable} is set`
  return name === 'vercel' ? 'a request is being served by Vercel' : 'it matches'
}

type Note = (read: ReadEnvironment) => string | undefined

// What is there, and is for somebody else: people look at it and wonder why it is not used.
const notes: ReadonlyMap<string, Note> = new Map<string, Note>([
  [
    'kubernetes',
    (read) =>
      read('KUBERNETES_SERVICE_HOST') === undefined
        ? undefined
        : 'the token that the cluster mounts by itself is for its own API: project one for the issuing point',
  ],
  [
    'spiffe',
    (read) =>
      read('SPIFFE_ENDPOINT_SOCKET') === undefined
        ? undefined
        : 'the Workload API is not asked: have spiffe-helper keep a JWT-SVID in a file',
  ],
  [
    'aws',
    (read) =>
      read('AWS_WEB_IDENTITY_TOKEN_FILE') === undefined &&
      read('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE') === undefined
        ? undefined
        : 'the token in the file that AWS named is for AWS, and is never sent',
  ],
  [
    'azure',
    (read) =>
      read('AZURE_FEDERATED_TOKEN_FILE') === undefined
        ? undefined
        : 'the token in AZURE_FEDERATED_TOKEN_FILE is for Microsoft Entra, and is never sent',
  ],
])
