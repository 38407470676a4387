import { addressProblem, isLoopback } from '../broker-client/address.ts'
import { anyObject } from '../broker-client/check.ts'
import type { Context } from '../context.ts'
import { type Failure, failed, misuse } from '../failure.ts'
import { cell } from '../output/text.ts'
import { version } from '../version.ts'

/** A repository by what it is called now and by the ids that it keeps. */
export interface GitHubRepository {
  readonly repository: string
  readonly repositoryId: string
  readonly ownerId: string
}

const publicGitHubApi = 'https://api.github.com'

const limits = { timeoutMs: 10_000, bytes: 1_048_576, redirects: 3 } as const
const ownerAndName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}\/[A-Za-z0-9._-]{1,100}$/

/**
 * Asks GitHub for a repository's ids, without any credential: a token of the environment was not given for this.
 *
 * @throws {Failure} `not_found` for a repository that is not public, `unavailable`, `timeout` or `invalid_response`.
 */
export async function lookUpRepository(
  { shell, output }: Context,
  name: string,
  api: string = publicGitHubApi,
): Promise<GitHubRepository> {
  if (!ownerAndName.test(name) || /\/\.{1,2}$/.test(name)) throw misuse('--github must be owner/name')
  const base = new URL(api)
  const url = new URL(`${base.pathname.replace(/\/+$/, '')}/repos/${name}`, base.origin)
  const found = repositoryIn(await ask(shell.fetch, url))
  if (found === undefined) throw unusable('it is not about a repository')
  const { repository, repositoryId, ownerId } = found
  output.progress(`GitHub: ${cell(repository)} is repository ${repositoryId} of owner ${ownerId}.`)
  if (repository.toLowerCase() !== name.toLowerCase())
    output.warn(`${cell(name)} was renamed: it is called ${cell(repository)} now. The rule is for its id.`)
  return found
}

/**
 * Refuses ids of another GitHub for the tokens of github.com, where the same numbers are a stranger's repository. True for
 * an API on this machine, which may be anything: the caller warns.
 *
 * @throws {Failure} exit 2 naming the flag.
 */
export function isOtherGitHub(api: string | undefined, issuer: string | undefined): boolean {
  if (api === undefined) return false
  const problem = addressProblem(api)
  if (problem !== undefined) throw misuse(`--github-api ${problem}`)
  const url = new URL(api)
  if (url.origin === publicGitHubApi || !isOfGitHubCom(issuer)) return false
  if (isLoopback(url)) return true
  throw misuse(
    '--github-api is another GitHub than github.com, whose tokens this rule would be for: there its ids are those of a stranger',
    'Name the issuer of its own tokens: --issuer https://HOST/_services/token',
  )
}

/** Also of its enterprises' own issuers, which are paths of the same host. */
function isOfGitHubCom(issuer: string | undefined): boolean {
  if (issuer === undefined) return true
  return URL.canParse(issuer) && new URL(issuer).hostname === 'token.actions.githubusercontent.com'
}

async function ask(send: typeof fetch, first: URL): Promise<unknown> {
  const signal = AbortSignal.timeout(limits.timeoutMs)
  let url = first
  try {
    for (let hop = 0; hop <= limits.redirects; hop++) {
      const response = await send(url.href, { headers, redirect: 'manual', signal })
      if (response.status < 300 || response.status >= 400) return await read(response)
      await response.body?.cancel()
      // GitHub sends a former name on to the repository's id, on the same host.
      url = new URL(response.headers.get('location') ?? '', url)
      if (url.origin !== first.origin) throw unusable('it sends elsewhere')
    }
  } catch (error) {
    throw asLookupFailure(error)
  }
  throw unusable('it redirects without end')
}

const headers = {
  accept: 'application/vnd.github+json',
  'user-agent': `valetkey/${version}`,
  'x-github-api-version': '2022-11-28',
}

async function read(response: Response): Promise<unknown> {
  if (response.status !== 200) {
    await response.body?.cancel()
    if (response.status === 404)
      throw failed('not_found', 'GitHub has no public repository of this name', byHand)
    const limited = response.status === 403 || response.status === 429
    throw limited
      ? failed('rate_limited', 'GitHub answers no more anonymous questions for now', byHand)
      : unusable(`its status is ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > limits.bytes) throw unusable('it is larger than 1 MiB')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw unusable('it is not JSON')
  }
}

const byHand =
  "Give its ids: --repository-id N --owner-id N (`gh api repos/OWNER/NAME --jq '.id, .owner.id'` prints them)."

function repositoryIn(body: unknown): GitHubRepository | undefined {
  if (!anyObject(body) || !anyObject(body.owner)) return undefined
  const { full_name: repository, id, owner } = body
  const [repositoryId, ownerId] = [idText(id), idText(owner.id)]
  if (typeof repository !== 'string' || !ownerAndName.test(repository)) return undefined
  return repositoryId === undefined || ownerId === undefined
    ? undefined
    : { repository, repositoryId, ownerId }
}

function idText(value: unknown): string | undefined {
  return Number.isSafeInteger(value) && Number(value) > 0 ? String(value) : undefined
}

function unusable(reason: string): Failure {
  return failed('invalid_response', `The answer of GitHub's API can't be used: ${reason}`, byHand)
}

function asLookupFailure(error: unknown): unknown {
  if (!(error instanceof Error) || error.name === 'Failure') return error
  return error.name === 'TimeoutError'
    ? failed('timeout', "GitHub's API did not answer in time", byHand)
    : failed('unavailable', "GitHub's API could not be reached", byHand)
}
