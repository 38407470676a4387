import { DatabaseSync } from 'node:sqlite'
import { connect } from '@valetkey/better-auth'
import { getToken } from '@valetkey/sdk'
import { createSignIn } from '@valetkey/sdk/sign-in'
import { betterAuth } from 'better-auth'
import { genericOAuth } from 'better-auth/plugins/generic-oauth'

const auth = betterAuth({
  database: new DatabaseSync('app.sqlite'),
  plugins: [genericOAuth({ config: [connect({ providerId: 'google', connector: 'google/login' })] })],
})

/** A token of whoever is signed in, for one call. */
export async function googleToken(headers: Headers): Promise<string> {
  const accounts = await auth.api.listUserAccounts({ headers })
  const id = accounts.find(({ providerId }) => providerId === 'google')?.accountId
  if (id === undefined) throw new Error('Not signed in with Google')
  const { issuer } = createSignIn('google/login')
  return getToken('google/login', { subject: { type: 'user', id, issuer } })
}
