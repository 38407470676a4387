// The agent: a process of its own, with no provider secret anywhere in its environment.
import { Octokit } from '@octokit/core'
import { expect, seen, step } from '@valetkey/example-support'
import { getToken, getTokenResponse, isConnectError } from '@valetkey/sdk'

const { GITHUB_API_URL = '', SLACK_API_URL = '' } = process.env

async function refusedBy(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await work
  } catch (error) {
    if (isConnectError(error)) return { code: error.code ?? '', message: error.message }
    if (error instanceof Error && 'status' in error)
      return { code: String(error.status), message: error.message }
    throw error
  }
  throw new Error('Not as expected: nothing refused')
}

/** The narrowed token for reading one repository. */
function readWebsite(permissions: string[] = ['contents:read'], repositories: string[] = ['acme/website']) {
  return getTokenResponse('github/mybot', {
    subject: { type: 'app' },
    authorizationDetails: [{ type: 'github_app_installation', repositories, permissions }],
  })
}

async function work(): Promise<void> {
  step(
    'The agent lists its environment variables',
    'Nothing in it opens GitHub or Slack: only who it is, and where to ask.',
  )
  seen(Object.keys(process.env).sort().join(', '))

  step(
    'It asks for a token to read one repository',
    'The token is made for this request: one repository, read-only, gone within the hour.',
  )
  const answer = await readWebsite()
  seen(`granted ${JSON.stringify(answer.granted?.authorizationDetails)}`)
  seen(
    `enforced by the ${answer.enforcedBy}, good for ${Math.round((answer.expiresAt - Date.now()) / 60_000)} minutes, only for ${answer.origins?.join(', ')}`,
  )

  const octokit = new Octokit({
    auth: answer.token,
    baseUrl: GITHUB_API_URL,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  })
  step(
    'It reads the README with the real Octokit client',
    'What it needs for its task works as with any token.',
  )
  const readme = await octokit.request('GET /repos/{owner}/{repo}/contents/{path}', {
    owner: 'acme',
    repo: 'website',
    path: 'README.md',
  })
  seen(`GET acme/website/README.md → ${readme.status}`)

  step(
    'It tries to write there, and to read another repository',
    'GitHub itself refuses: a hijacked agent can do no more than its task.',
  )
  const write = await refusedBy(
    octokit.request('PUT /repos/{owner}/{repo}/contents/{path}', {
      owner: 'acme',
      repo: 'website',
      path: 'defaced.txt',
      message: 'no',
      content: Buffer.from('no').toString('base64'),
    }),
  )
  seen(`PUT acme/website/defaced.txt → ${write.code}`)
  expect(write.code === '403', `a write answered ${write.code}`)
  const other = await refusedBy(
    octokit.request('GET /repos/{owner}/{repo}/contents/{path}', {
      owner: 'acme',
      repo: 'payroll',
      path: 'README.md',
    }),
  )
  seen(`GET acme/payroll/README.md → ${other.code}`)
  expect(other.code === '403' || other.code === '404', `another repository answered ${other.code}`)

  step(
    'It asks for more than its ceiling',
    'The broker refuses and says which part; nothing is trimmed in silence.',
  )
  for (const [permissions, repositories] of [
    [['contents:write'], ['acme/website']],
    [['contents:read'], ['acme/payroll']],
  ] as const) {
    const above = await refusedBy(readWebsite([...permissions], [...repositories]))
    seen(`${above.code}: ${above.message}`)
    expect(above.code === 'above_ceiling', `the broker answered ${above.code}`)
  }

  step(
    'It posts to Slack with the same call',
    'Where a provider cannot narrow, the answer says so instead of pretending.',
  )
  const slack = await getTokenResponse('slack/mybot', { subject: { type: 'app' } })
  const posted = await fetch(`${SLACK_API_URL}/chat.postMessage`, {
    method: 'POST',
    headers: { authorization: `Bearer ${slack.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ channel: 'general', text: 'The README is fine.' }),
  })
  const { ok } = (await posted.json()) as { ok: boolean }
  seen(`chat.postMessage → ok: ${ok}; enforcedBy: ${slack.enforcedBy}, standing: ${slack.standing}`)
  expect(ok, 'Slack did not take the message')
}

async function ask(why: string): Promise<void> {
  const refused = await refusedBy(getToken('github/mybot', { subject: { type: 'app' } }))
  seen(`${refused.code}: ${refused.message}`)
  expect(refused.code === 'forbidden', `${why}, and the broker answered ${refused.code}`)
}

const [task] = process.argv.slice(2)
if (task === 'work') await work()
else await ask(task ?? '')
