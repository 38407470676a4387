// The job: a loop without any framework. It holds an identity (`.env.local`), an address, and no secret.
import { setTimeout as pause } from 'node:timers/promises'
import { createFetch, isConnectError } from '@valetkey/sdk'

const apiUrl = process.env.GITHUB_API_URL ?? 'https://api.github.com'
const intervalMs = Number(process.env.INTERVAL_MS ?? 5_000)

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

// #region fetch
// A token for one repository, read-only. It is asked for with the first request, kept while it is good, renewed before
// it ends, and replaced when GitHub rejects it.
const github = createFetch(
  'github/helper',
  {
    subject: { type: 'app' },
    authorizationDetails: [
      { type: 'github_app_installation', repositories: ['acme/website'], permissions: ['issues:read'] },
    ],
  },
  { timeoutMs: 1_000 },
)
// #endregion

// #region loop
/** True for what passes without anyone doing anything. The rest ends the process: somebody has to look at it. */
function isPassing(error: unknown): boolean {
  if (isConnectError(error)) return error.retryable
  return error instanceof GitHubError
    ? error.status === 429 || error.status >= 500
    : error instanceof TypeError
}

let failures = 0
while (!stop.signal.aborted) {
  try {
    console.log(`open issues: ${await countIssues(stop.signal)}`)
    failures = 0
  } catch (error) {
    if (stop.signal.aborted) break
    if (!isPassing(error)) throw error
    failures += 1
    console.log(`failed, ${failures} in a row: ${error instanceof Error ? error.message : 'unknown'}`)
  }
  // Twice as long after each failure, at most 32 times, and a little by chance, so that jobs do not return together.
  const waitMs = intervalMs * 2 ** Math.min(failures, 5) * (1 - Math.random() / 4)
  await pause(waitMs, undefined, { signal: stop.signal }).catch(() => {})
}
console.log('stopped')
// #endregion

async function countIssues(signal: AbortSignal): Promise<number> {
  const response = await github(`${apiUrl}/repos/acme/website/issues?state=open`, { signal })
  if (!response.ok) throw new GitHubError(response.status)
  return ((await response.json()) as unknown[]).length
}

class GitHubError extends Error {
  readonly status: number
  constructor(status: number) {
    super(`GitHub answered ${status}`)
    this.status = status
  }
}
