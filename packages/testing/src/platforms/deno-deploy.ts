import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { jsonBody } from './http-server.ts'
import { startPlatform } from './start-platform.ts'

/** Where the app is that runs on the platform. */
export interface DenoDeployOptions extends PlatformOptions {
  /** A `node_modules` folder. The package `@deno/oidc` is written into it, and removed by `close`. */
  readonly nodeModules: string
}

/**
 * A Deno Deploy app that has added `@deno/oidc`. The package asks the fake, by the global `fetch`. Tokens live five
 * minutes.
 *
 * @see https://docs.deno.com/deploy/reference/oidc/
 */
export async function startDenoDeploy(options: DenoDeployOptions): Promise<FakePlatform> {
  const folder = join(options.nodeModules, '@deno', 'oidc')
  makeOwnFolder(options.nodeModules, folder)
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      lifetimeSeconds: 300,
      earlySeconds: 60,
      hasTokenId: true,
      claims: {
        sub: 'deployment:acme/website/production',
        org_id: '729adb8f-0000-4000-8000-000000000001',
        org_slug: 'acme',
        app_id: '16ad21d8-0000-4000-8000-000000000002',
        app_slug: 'website',
        context_id: 'ce0f1e2d-0000-4000-8000-000000000003',
        context_name: 'Production',
        revision_id: 'hgd4tzp6b5rw',
      },
      answer({ url, text }, { mint }) {
        if (url.pathname !== '/token') return undefined
        return { body: { token: mint(String(jsonBody(text).audience)) } }
      },
    },
    options,
  )
  writeFileSync(
    join(folder, 'package.json'),
    '{"name":"@deno/oidc","type":"module","exports":"./index.js"}\n',
  )
  writeFileSync(join(folder, 'index.js'), moduleText(core.url))
  return {
    ...core,
    environment: { DENO_DEPLOY: '1', DENO_DEPLOYMENT_ID: 'hgd4tzp6b5rw' },
    async close() {
      await core.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

// A package that is there already may be a link into a package manager's store: it is neither written over nor removed.
function makeOwnFolder(nodeModules: string, folder: string): void {
  mkdirSync(join(nodeModules, '@deno'), { recursive: true })
  try {
    mkdirSync(folder)
  } catch {
    throw new TypeError('nodeModules: there is a package @deno/oidc in it already')
  }
}

function moduleText(url: string): string {
  return `export const supportsIssuingIdTokens = true
export async function getIdToken(audience) {
  const body = JSON.stringify({ audience })
  const answer = await fetch('${url}/token', { method: 'POST', body, redirect: 'error' })
  if (!answer.ok) throw new Error('no token')
  const { token } = await answer.json()
  return token
}
`
}
