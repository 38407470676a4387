import { DatabaseSync } from 'node:sqlite'
import { Auth, type AuthConfig } from '@auth/core'
import { connect } from '@valetkey/authjs'
import type { SignInAppSettings, SignInFramework } from './sign-in-app.ts'
import { createStore, dumpOf, subOf } from './sign-in-store.ts'

/** Auth.js on a database of its own. What it logs goes to `log`. */
export async function createAuthjs(
  origin: string,
  settings: SignInAppSettings,
  log: string[],
): Promise<SignInFramework> {
  const database = new DatabaseSync(':memory:')
  const { url, connector, identity } = settings
  const config: AuthConfig = {
    secret: 'a-secret-of-the-test-that-is-long-enough',
    trustHost: true,
    basePath: '/auth',
    adapter: createStore(database),
    providers: [connect({ id: 'login', name: 'the broker', connector, url, identityToken: identity })],
    callbacks: { session: ({ session, user }) => ({ ...session, userId: user.id }) },
    logger: {
      error: (error) => log.push(`${error.name} ${textOf(error.cause)} ${error.stack}`),
      warn() {},
      debug() {},
    },
  }
  return {
    start: `${origin}/auth/signin`,
    handle: (request) => Auth(request, config),
    async whoAsks({ headers }) {
      const answer = await Auth(new Request(`${origin}/auth/session`, { headers }), config)
      const session = (await answer.json()) as { userId: string; user: { email: string | null } } | null
      const sub = session === null ? undefined : subOf(database, session.userId)
      return sub === undefined ? undefined : { sub, email: session?.user.email ?? null }
    },
    dump: () => dumpOf(database),
  }
}

function textOf(cause: unknown): string {
  const { err } = (cause ?? {}) as { err?: Error }
  return `${JSON.stringify(cause)} ${err?.message} ${err?.stack}`
}
