import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { jsonBody } from './http-server.ts'
import { startPlatform } from './start-platform.ts'

/** A Fly Machine. */
export interface FakeFly extends FakePlatform {
  /** The socket that answers. On Fly.io it is `/.fly/api`. */
  readonly socketPath: string
}

/**
 * A Fly Machine, with the machine's API on a Unix socket. Tokens live ten minutes.
 *
 * @see https://fly.io/docs/security/openid-connect/
 */
export async function startFly(options: PlatformOptions = {}): Promise<FakeFly> {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-fly-'))
  const socketPath = join(folder, 'api')
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      issuerPath: '/acme',
      lifetimeSeconds: 600,
      earlySeconds: 0,
      hasTokenId: true,
      claims: {
        sub: 'acme:website:e2865641be97d8',
        org_id: '29873298',
        org_name: 'acme',
        app_id: '18973298',
        app_name: 'website',
        machine_id: 'e2865641be97d8',
        machine_name: 'withered-sky-1',
        machine_version: '01J0000000000000000000000A',
        region: 'ams',
        image: 'website:latest',
        image_digest: `sha256:${'0'.repeat(64)}`,
      },
      socketPath,
      answer({ method, url, text }, { mint }) {
        if (method !== 'POST' || url.pathname !== '/v1/tokens/oidc') return undefined
        const { aud = 'https://fly.io/acme' } = jsonBody(text)
        return { body: mint(String(aud)) }
      },
    },
    options,
  )
  return {
    ...core,
    environment: { FLY_APP_NAME: 'website', FLY_MACHINE_ID: 'e2865641be97d8', FLY_REGION: 'ams' },
    socketPath,
    async close() {
      await core.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
