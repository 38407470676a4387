import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { jsonBody } from './http-server.ts'
import { startPlatform } from './start-platform.ts'

const runToken = 'run-token-of-the-task'

/**
 * A deployed Trigger.dev run. How its subject is composed is not documented, nor how long tokens live: here ten
 * minutes.
 *
 * @see https://trigger.dev/docs/oidc
 */
export async function startTriggerDev(options: PlatformOptions = {}): Promise<FakePlatform> {
  const lifetimeSeconds = 600
  const { now = Date.now } = options
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      issuerPath: '/acme',
      lifetimeSeconds,
      claims: { sub: 'org:acme:project:website:environment:production' },
      fixedAddresses: ['https://api.trigger.dev'],
      answer({ method, url, headers, text }, { mint }) {
        if (method !== 'POST' || url.pathname !== '/api/v1/auth/oidc/token') return undefined
        if (headers.authorization !== `Bearer ${runToken}`) return { status: 401 }
        const { audience } = jsonBody(text)
        if (typeof audience !== 'string') return { status: 400 }
        const expiresAt = new Date(now() + (options.lifetimeSeconds ?? lifetimeSeconds) * 1000).toISOString()
        return { body: { token: mint(audience), expiresAt } }
      },
    },
    options,
  )
  return { ...core, environment: { TRIGGER_API_URL: core.url, TRIGGER_RUN_TOKEN: runToken } }
}
