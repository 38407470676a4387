import { DatabaseSync } from 'node:sqlite'
import { connect } from '@valetkey/better-auth'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'
import type { SignInAppSettings, SignInFramework } from './sign-in-app.ts'
import { dumpOf } from './sign-in-store.ts'

/** Better Auth on a database of its own. What it logs goes to `log`. */
export async function createBetterAuth(
  origin: string,
  settings: SignInAppSettings,
  log: string[],
): Promise<SignInFramework> {
  const database = new DatabaseSync(':memory:')
  const { url, connector, identity } = settings
  const auth = betterAuth({
    baseURL: origin,
    secret: 'a-secret-of-the-test-that-is-long-enough',
    database,
    emailAndPassword: { enabled: true },
    logger: { level: 'debug', log: (_level, ...said) => log.push(said.map(textOf).join(' ')) },
    plugins: [
      genericOAuth({ config: [connect({ providerId: 'login', connector, url, identityToken: identity })] }),
    ],
  })
  await (await getMigrations(auth.options)).runMigrations()
  return {
    start: `${origin}/`,
    handle: auth.handler,
    async begin({ headers }) {
      const body = { provider: 'login', callbackURL: '/' }
      const answer = await auth.api.signInSocial({ body, headers, asResponse: true })
      const { url: location } = (await answer.json()) as { url: string }
      const sent = new Headers(answer.headers)
      sent.set('location', location)
      return new Response(null, { status: 303, headers: sent })
    },
    async whoAsks({ headers }) {
      const session = await auth.api.getSession({ headers })
      if (session === null) return undefined
      const accounts = await auth.api.listUserAccounts({ headers })
      const account = accounts.find(({ providerId }) => providerId === 'login')
      return account && { sub: account.accountId, email: session.user.email }
    },
    dump: () => dumpOf(database),
  }
}

function textOf(said: unknown): string {
  return said instanceof Error
    ? `${said.message} ${said.stack}`
    : typeof said === 'string'
      ? said
      : JSON.stringify(said)
}
