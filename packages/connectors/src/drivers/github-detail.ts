import type { AuthorizationDetail } from '@valetkey/protocol'
import { z } from 'zod'
import { type HeldDetail, InvalidSettings } from '../driver.ts'
import { quoted } from '../refusal.ts'
import { parseFields } from '../settings.ts'

/** The `type` of the one authorization detail that a GitHub App understands. */
export const installationDetailType = 'github_app_installation'

/** A detail in canonical form: every name in lower case, every list sorted and without repetition. */
export interface InstallationDetail extends AuthorizationDetail {
  readonly type: typeof installationDetailType
  /** The account the app is installed on: an organization or a user. Always present when `repositories` is. */
  readonly org?: string
  /** `owner/name`, all of one owner; absent: every repository of the installation. */
  readonly repositories?: readonly string[]
  /** `name:level`, one level a name; absent: every permission of the app. */
  readonly permissions?: readonly string[]
}

/** GitHub takes no more in one request. */
const mostRepositories = 500

/** How much each level allows; a higher one includes the lower. A `Map`, so that no name hits a prototype. */
const levels: ReadonlyMap<string, number> = new Map([
  ['read', 1],
  ['write', 2],
  ['admin', 3],
])

// GitHub's own characters, ASCII only: these names go into URLs, and only among these does lower case mean
// one thing. `K` (Kelvin sign) in lower case is an ordinary `k`.
const ownerPattern = /^[A-Za-z0-9_-]{1,100}$/
const repositoryPattern = /^(?!\.+$)(?!.*\.git$)[A-Za-z0-9._-]{1,100}$/i
const permissionPattern = /^[a-z][a-z0-9_]{0,63}$/

const schema = z.strictObject({
  type: z.literal(installationDetailType, { error: `must be ${installationDetailType}` }),
  org: z.string({ error: 'must be text' }).regex(ownerPattern, 'must be the name of an account').optional(),
  repositories: oneOrMore('must be owner/name, or a list of them'),
  permissions: oneOrMore('must be name:level, or a list of them'),
})

/**
 * Brings a detail to canonical form, in which two that mean the same are equal.
 *
 * @throws {InvalidSettings} naming the field. An empty list is an error: it must never come to mean everything.
 */
export function normalizeInstallationDetail(detail: AuthorizationDetail): InstallationDetail {
  const { org, repositories, permissions } = parseFields(schema, detail)
  const named = repositories?.map((repository) => canonicalRepository(repository, org))
  const owners = new Set(
    [org?.toLowerCase(), ...(named ?? []).map(ownerOf)].filter((each) => each !== undefined),
  )
  if (owners.size > 1)
    throw new InvalidSettings(
      'repositories must all belong to one account, the one org names: a token is of one installation',
    )
  const [owner] = owners
  return {
    type: installationDetailType,
    ...(owner === undefined ? {} : { org: owner }),
    ...(named === undefined ? {} : { repositories: sortedUnique(named) }),
    ...(permissions === undefined ? {} : { permissions: canonicalPermissions(permissions) }),
  }
}

/**
 * Holds a wanted detail against one of the ceiling. What `wanted` leaves out takes the ceiling's value.
 *
 * Names are compared whole and literally: nothing is a wildcard, and no name is the prefix of another.
 *
 * @throws {InvalidSettings} when one of the two is malformed.
 */
export function holdInstallationDetail(
  wanted: AuthorizationDetail,
  ceiling: AuthorizationDetail,
): HeldDetail {
  // Both are normal already; a limit that relied on it would hold nothing on the day one is not.
  const want = normalizeInstallationDetail(wanted)
  const limit = normalizeInstallationDetail(ceiling)
  const exceeding = [
    ...exceedingOrg(want, limit),
    ...named('repositories', exceedingRepositories(want, limit)),
    ...named('permissions', exceedingPermissions(want, limit)),
  ]
  if (exceeding.length > 0) return { within: false, part: exceeding.join(' and ') }
  return { within: true, detail: normalizeInstallationDetail({ ...limit, ...want }) }
}

/** The permissions of a list `name:level` that `allowed` does not include, at that level or a higher one. */
export function permissionsBeyond(
  permissions: readonly string[],
  allowed: readonly string[],
): readonly string[] {
  const limits = new Map(allowed.map(splitPermission))
  return permissions.filter((permission) => {
    const [name, level] = splitPermission(permission)
    const limit = levels.get(limits.get(name) ?? '') ?? 0
    // A level nobody has heard of is beyond every limit.
    return (levels.get(level) ?? Number.POSITIVE_INFINITY) > limit
  })
}

/** `name:level` in two; the level is what follows the first colon. */
export function splitPermission(permission: string): readonly [name: string, level: string] {
  const colon = permission.indexOf(':')
  return colon === -1 ? [permission, ''] : [permission.slice(0, colon), permission.slice(colon + 1)]
}

function exceedingOrg(want: InstallationDetail, limit: InstallationDetail): readonly string[] {
  // Repositories of another account are named one by one instead.
  const differs = limit.org !== undefined && want.org !== undefined && want.org !== limit.org
  return differs && want.repositories === undefined ? [`org ${want.org}`] : []
}

function exceedingRepositories(want: InstallationDetail, limit: InstallationDetail): readonly string[] {
  return (want.repositories ?? []).filter((repository) =>
    limit.repositories === undefined
      ? limit.org !== undefined && ownerOf(repository) !== limit.org
      : !limit.repositories.includes(repository),
  )
}

function exceedingPermissions(want: InstallationDetail, limit: InstallationDetail): readonly string[] {
  if (limit.permissions === undefined) return []
  return permissionsBeyond(want.permissions ?? [], limit.permissions)
}

function named(field: string, values: readonly string[]): readonly string[] {
  if (values.length === 0) return []
  const rest = values.length > 5 ? ` and ${values.length - 5} more` : ''
  return [`${field} ${values.slice(0, 5).join(', ')}${rest}`]
}

function canonicalRepository(repository: string, org: string | undefined): string {
  const slash = repository.indexOf('/')
  const owner = slash === -1 ? org : repository.slice(0, slash)
  const name = repository.slice(slash + 1)
  if (owner === undefined)
    throw new InvalidSettings(
      `repositories must be owner/name, unless org gives the owner: ${quoted(repository)}`,
    )
  if (!ownerPattern.test(owner) || !repositoryPattern.test(name))
    throw new InvalidSettings(`repositories holds a name that GitHub does not allow: ${quoted(repository)}`)
  // GitHub finds `Acme/Site` under `acme/site`: two spellings of one repository must not be two limits.
  return `${owner}/${name}`.toLowerCase()
}

function canonicalPermissions(permissions: readonly string[]): readonly string[] {
  const highest = new Map<string, string>()
  for (const permission of permissions) {
    const [name, level] = splitPermission(permission)
    const rank = levels.get(level)
    if (!permissionPattern.test(name) || rank === undefined)
      throw new InvalidSettings(
        `permissions must be name:level with read, write or admin, as in pull_requests:write: ${quoted(permission)}`,
      )
    if (rank > (levels.get(highest.get(name) ?? '') ?? 0)) highest.set(name, level)
  }
  return sortedUnique([...highest].map(([name, level]) => `${name}:${level}`))
}

function ownerOf(repository: string): string {
  return repository.slice(0, repository.indexOf('/'))
}

function sortedUnique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort()
}

function oneOrMore(error: string): z.ZodType<readonly string[] | undefined> {
  const list = z
    .array(z.string())
    .min(1, 'must not be empty')
    .max(mostRepositories, `must hold at most ${mostRepositories}`)
  return z.union([z.string().transform((one) => [one]), list], { error }).optional()
}
