import { join } from 'node:path'
import { errorCodes, isErrorCode } from '@valetkey/protocol'
import { addressProblem, normalizeAddress } from '../broker-client/address.ts'
import { locatePlace } from '../broker-client/locate.ts'
import { readPrivateFile } from '../broker-client/private-file.ts'
import { readEnvironmentFile } from '../env-file/merge.ts'
import { Failure, failed } from '../failure.ts'
import type { Shell } from '../shell.ts'
import type { ConnectSdk } from './sdk.ts'

/** Where a command asks as a workload, and with which identity when the environment does not decide. */
export interface Workload {
  readonly url: string
  /** From `.env.local`; absent, the SDK finds the identity by itself. */
  readonly identityToken?: string
  /** Why `.env.local` was passed over although it is there. */
  readonly notice?: string
}

const identityVariables = [
  'VALETKEY_URL',
  'VALETKEY_ID_TOKEN',
  'VALETKEY_ID_TOKEN_FILE',
  'VALETKEY_ID_TOKEN_COMMAND',
  'VALETKEY_SPIFFE_TOKEN_FILE',
  'VALETKEY_KUBERNETES_TOKEN_FILE',
  'VALETKEY_AZURE_RESOURCE',
  'VALETKEY_ACCESS_TOKEN',
  'VALETKEY_IDENTITY',
]

/**
 * Finds the issuing point and identity of this folder.
 *
 * The environment decides when it names either. Otherwise what `valetkey env pull` wrote to `.env.local` is used, URL
 * and identity together: an identity goes only to the broker it was pulled from.
 */
export async function findWorkload(shell: Shell): Promise<Workload> {
  const pulled = await findPulled(shell)
  if (pulled !== undefined && 'identityToken' in pulled) return pulled
  const { url } = await locatePlace(shell)
  return pulled === undefined ? { url } : { url, notice: pulled.notice }
}

/**
 * What `valetkey env pull` wrote to `.env.local`, or why that is passed over. Nothing where the environment decides, or
 * the file holds no identity.
 *
 * @throws {Failure} `issuing_point_missing` when its URL can't be one.
 */
export async function findPulled(
  shell: Shell,
): Promise<Required<Omit<Workload, 'notice'>> | { readonly notice: string } | undefined> {
  if (identityVariables.some((name) => (shell.environment[name] ?? '') !== '')) return undefined
  const file = await readPrivateFile(join(shell.folder, '.env.local'), shell.userId)
  if (file.state === 'absent') return undefined
  if (file.state === 'untrusted')
    return { notice: `.env.local was not used because ${file.reason}; \`valetkey env pull\` writes it anew` }
  // Only these two: another variable of a file that came with a folder could name a command to run.
  const values = readEnvironmentFile(file.text, ['VALETKEY_URL', 'VALETKEY_ID_TOKEN'])
  const { VALETKEY_URL: url, VALETKEY_ID_TOKEN: identityToken } = values
  if (url === undefined || identityToken === undefined) return undefined
  const problem = addressProblem(url)
  if (problem !== undefined) throw failed('issuing_point_missing', `VALETKEY_URL in .env.local ${problem}`)
  return { url: normalizeAddress(url), identityToken }
}

/** Loads the SDK and turns what it throws into a {@link Failure}. */
export async function asWorkload<Result>(
  shell: Shell,
  work: (sdk: ConnectSdk) => Promise<Result>,
): Promise<Result> {
  const sdk = await shell.loadSdk()
  try {
    return await work(sdk)
  } catch (error) {
    throw sdk.isConnectError(error) ? failureOf(error) : error
  }
}

function failureOf(error: unknown): Failure {
  const { code, message, requestId } = error as { code: string; message: string; requestId?: string }
  // The SDK's own message about a missing identity already says what to do.
  const next = isErrorCode(code) && code !== 'identity_unavailable' ? errorCodes[code].remedy : undefined
  return new Failure(code, message, { next, ...(requestId === undefined ? {} : { requestId }) })
}
