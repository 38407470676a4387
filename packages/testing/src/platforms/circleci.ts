import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { jsonBody } from './http-server.ts'
import { startPlatform } from './start-platform.ts'

const organization = 'a1b2c3d4-0000-4000-8000-000000000001'
const project = 'a1b2c3d4-0000-4000-8000-000000000002'

/**
 * A CircleCI job with CircleCI's command on its `PATH`, where `circleci run oidc get` prints a token. Where the
 * platform refuses, the command fails with exit code 1. Tokens live an hour. Not for Windows.
 *
 * @see https://circleci.com/docs/openid-connect-tokens/
 */
export async function startCircleci(options: PlatformOptions = {}): Promise<FakePlatform> {
  const core = await startPlatform(
    {
      issuerPath: `/org/${organization}`,
      lifetimeSeconds: 3_600,
      claims: {
        sub: `org/${organization}/project/${project}/user/a1b2c3d4-0000-4000-8000-000000000003`,
        'oidc.circleci.com/org-id': organization,
        'oidc.circleci.com/project-id': project,
        'oidc.circleci.com/context-ids': ['a1b2c3d4-0000-4000-8000-000000000004'],
        'oidc.circleci.com/vcs-origin': 'github.com/acme/website',
        'oidc.circleci.com/vcs-ref': 'refs/heads/main',
        'oidc.circleci.com/ssh-rerun': false,
      },
      answer({ url, text }, { mint }) {
        if (url.pathname !== '/command') return undefined
        const { aud = organization } = jsonBody(text)
        return { body: mint(String(aud)) }
      },
    },
    options,
  )
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-circleci-'))
  writeFileSync(join(folder, 'circleci'), command(core.url), { mode: 0o755 })
  return {
    ...core,
    environment: {
      CI: 'true',
      CIRCLECI: 'true',
      CIRCLE_WORKFLOW_JOB_ID: 'a1b2c3d4-0000-4000-8000-000000000005',
      PATH: `${folder}${delimiter}${process.env.PATH ?? ''}`,
    },
    async close() {
      await core.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

// A program as CircleCI's is one: it takes these arguments and no others, and asks the platform.
function command(url: string): string {
  return `#!${process.execPath}
const [run, oidc, get, flag, claims, ...others] = process.argv.slice(2)
const known = [run, oidc, get, flag].join(' ') === 'run oidc get --claims' && others.every((other) => other === '--root-issuer')
if (!known) {
  console.error('unknown arguments')
  process.exit(2)
}
fetch('${url}/command', { method: 'POST', body: claims, redirect: 'manual' })
  .then(async (answer) => {
    if (!answer.ok) throw new Error('refused')
    console.log(await answer.text())
  })
  .catch(() => process.exit(1))
`
}
