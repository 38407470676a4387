import { z } from 'zod'
import { type MintRefusal, ProviderFault } from '../driver.ts'
import { type ProviderAnswer, readAnswer } from '../http.ts'
import { refused } from '../refusal.ts'
import { type GitHubApi, provider, refusalOf } from './github-api.ts'
import {
  type InstallationDetail,
  installationDetailType,
  permissionsBeyond,
  splitPermission,
} from './github-detail.ts'
import { type Installation, notInstalled } from './github-installation.ts'

/** An installation token, and what GitHub says it carries. */
export interface InstallationToken {
  readonly token: string
  readonly expiresAtMs: number
  readonly granted: InstallationDetail
}

const shape = z.object({
  // Neither length nor characters are checked: since April 2026 these tokens are long and hold dots.
  token: z.string().min(1),
  expires_at: z.iso.datetime({ offset: true }),
  permissions: z.record(z.string(), z.string()).optional(),
  repository_selection: z.string().optional(),
  repositories: z.array(z.object({ full_name: z.string() })).optional(),
})

/**
 * A token of `installation`, narrowed to `asked`.
 *
 * @param end ends a token at GitHub: used on one that turns out wider than asked.
 * @throws {ProviderFault} also when GitHub did not narrow as asked; that token is ended, never handed out.
 */
export async function createInstallationToken(
  api: GitHubApi,
  installation: Installation,
  asked: InstallationDetail | undefined,
  end: (token: string) => Promise<unknown>,
): Promise<InstallationToken | MintRefusal> {
  const answer = await api('POST', `/app/installations/${installation.id}/access_tokens`, {
    // Bare names: GitHub takes the owner from the installation.
    ...(asked?.repositories === undefined ? {} : { repositories: asked.repositories.map(bareName) }),
    ...(asked?.permissions === undefined
      ? {}
      : { permissions: Object.fromEntries(asked.permissions.map(splitPermission)) }),
  })
  if (answer.status === 404) return notInstalled(installation.owner)
  if (answer.status === 422) return aboveGrant(answer, asked)
  const refusal = refusalOf(answer)
  if (refusal !== undefined) return refusal
  const issued = readAnswer(provider, answer, shape)
  const granted = grantedBy(issued, installation)
  const excess = asked === undefined ? undefined : excessOf(issued, granted, asked)
  if (excess !== undefined) {
    const ended = await end(issued.token).then(
      () => 'the token was ended at once',
      () => 'the token could not be ended and lives for up to an hour',
    )
    throw new ProviderFault(`GitHub granted other ${excess} than was asked for; ${ended}`, {
      status: answer.status,
    })
  }
  return { token: issued.token, expiresAtMs: Date.parse(issued.expires_at), granted }
}

type Issued = z.output<typeof shape>

/** What GitHub says the token carries, in canonical form; a list it leaves out is "all the installation has". */
function grantedBy(issued: Issued, installation: Installation): InstallationDetail {
  const { permissions, repositories } = issued
  const limited = issued.repository_selection !== 'all' && repositories !== undefined
  return {
    type: installationDetailType,
    ...(installation.owner === undefined ? {} : { org: installation.owner }),
    ...(limited ? { repositories: repositories.map((each) => each.full_name.toLowerCase()).sort() } : {}),
    ...(permissions === undefined
      ? {}
      : {
          permissions: Object.entries(permissions)
            .map((entry) => entry.join(':'))
            .sort(),
        }),
  }
}

/** The part in which a token is wider than asked, if it is. Silence about a narrowing counts as none. */
function excessOf(
  issued: Issued,
  granted: InstallationDetail,
  asked: InstallationDetail,
): string | undefined {
  const { repositories, permissions } = asked
  if (repositories !== undefined) {
    const within = granted.repositories?.every((repository) => repositories.includes(repository))
    if (issued.repository_selection !== 'selected' || within !== true) return 'repositories'
  }
  if (permissions !== undefined) {
    // Every token that opens a repository may read its metadata: GitHub adds this by itself and says so.
    const beyond = permissionsBeyond(granted.permissions ?? [], ['metadata:read', ...permissions])
    if (granted.permissions === undefined || beyond.length > 0) return 'permissions'
  }
  return undefined
}

/** GitHub's text is looked at to tell its two reasons apart, and not repeated. */
function aboveGrant(answer: ProviderAnswer, asked: InstallationDetail | undefined): MintRefusal {
  const reason = z.object({ message: z.string() }).safeParse(answer.body).data?.message ?? ''
  const remedy = 'its owner grants them in the settings of the app and its installation on GitHub'
  if (/permission/i.test(reason) && asked?.permissions !== undefined)
    return refused(
      'above_grant',
      `GitHub did not grant the app all of the permissions ${listed(asked.permissions)}: ${remedy}`,
    )
  if (/repositor/i.test(reason) && asked?.repositories !== undefined)
    return refused(
      'above_grant',
      `GitHub did not grant the app all of the repositories ${listed(asked.repositories)}, or they don't exist: ${remedy}`,
    )
  return refused('above_grant', `GitHub did not grant the app what was asked for: ${remedy}`)
}

function listed(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ')
}

function bareName(repository: string): string {
  return repository.slice(repository.indexOf('/') + 1)
}
