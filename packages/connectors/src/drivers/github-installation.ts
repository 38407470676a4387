import { z } from 'zod'
import type { MintRefusal } from '../driver.ts'
import { readAnswer } from '../http.ts'
import { quoted, refused } from '../refusal.ts'
import { type GitHubApi, provider, refusalOf } from './github-api.ts'

/** Where a GitHub App is installed. */
export interface Installation {
  readonly id: number
  /** The account's name in lower case; absent when GitHub does not tell it, or it is an enterprise. */
  readonly owner?: string
  /** The account's immutable id. */
  readonly ownerId?: number
}

const shape = z.object({
  id: z.number().int().positive(),
  account: z.object({ login: z.string().max(100).optional(), id: z.number().int().optional() }).nullish(),
  suspended_at: z.string().nullish(),
})

/** GitHub's page size: with this many, the exact number no longer helps anyone to choose. */
const pageSize = 100

/**
 * The installation a token is to be of: the one named by id, the one on `owner`, or the only one there is.
 *
 * Never the first or the default of several: whose repositories a token opens is not for the order of a list to
 * decide. An id and an owner that contradict each other are refused.
 *
 * @throws {ProviderFault}
 */
export async function chooseInstallation(
  api: GitHubApi,
  installationId: string | undefined,
  owner: string | undefined,
): Promise<Installation | MintRefusal> {
  const found = await find(api, installationId, owner)
  if ('outcome' in found) return found
  const login = found.account?.login?.toLowerCase()
  if (owner !== undefined && login !== owner)
    return installationId === undefined
      ? notInstalled(owner)
      : refused('invalid_request', 'installationId names an installation on another account than org does')
  if (found.suspended_at !== null && found.suspended_at !== undefined)
    return refused(
      'provider_refused',
      'The installation of the app is suspended: its owner must unsuspend it on GitHub',
    )
  return {
    id: found.id,
    ...(login === undefined ? {} : { owner: login }),
    ...(found.account?.id === undefined ? {} : { ownerId: found.account.id }),
  }
}

/** The refusal when GitHub knows no such installation of the app. */
export function notInstalled(owner: string | undefined): MintRefusal {
  return refused(
    'installation_required',
    owner === undefined
      ? 'The app has no such installation on GitHub: install it, or name another with installationId'
      : `The app is not installed on the GitHub account ${quoted(owner)}: its owner must install it`,
  )
}

type Found = z.output<typeof shape> | MintRefusal

async function find(api: GitHubApi, id: string | undefined, owner: string | undefined): Promise<Found> {
  if (id !== undefined) return await findById(api, id)
  if (owner !== undefined) return await findByOwner(api, owner)
  return await findOnly(api)
}

async function findById(api: GitHubApi, id: string): Promise<Found> {
  if (!/^[1-9]\d{0,15}$/.test(id))
    return refused(
      'invalid_request',
      'installationId must be the number of an installation of the GitHub App',
    )
  const answer = await api('GET', `/app/installations/${id}`)
  if (answer.status === 404) return notInstalled(undefined)
  return refusalOf(answer) ?? readAnswer(provider, answer, shape)
}

async function findByOwner(api: GitHubApi, owner: string): Promise<Found> {
  const name = encodeURIComponent(owner)
  // GitHub itself answers for organizations on the first path too, look-alikes only on the second.
  const first = await api('GET', `/users/${name}/installation`)
  const answer = first.status === 404 ? await api('GET', `/orgs/${name}/installation`) : first
  if (answer.status === 404) return notInstalled(owner)
  return refusalOf(answer) ?? readAnswer(provider, answer, shape)
}

async function findOnly(api: GitHubApi): Promise<Found> {
  const answer = await api('GET', `/app/installations?per_page=${pageSize}`)
  const refusal = refusalOf(answer)
  if (refusal !== undefined) return refusal
  const [only, ...others] = readAnswer(provider, answer, z.array(shape))
  if (only === undefined)
    return refused(
      'installation_required',
      'The app is not installed anywhere on GitHub yet: install it first',
    )
  if (others.length === 0) return only
  const count = others.length + 1 < pageSize ? `${others.length + 1}` : `${pageSize} or more`
  // Names are left out: they would tell a caller who else uses this app.
  return refused(
    'installation_required',
    `The app has ${count} installations: name one by org in authorizationDetails, or by installationId`,
  )
}
