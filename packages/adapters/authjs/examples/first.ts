import { Auth, type AuthConfig } from '@auth/core'
import { connect } from '@valetkey/authjs'

const config: AuthConfig = {
  secret: process.env.AUTH_SECRET ?? '',
  basePath: '/auth',
  providers: [connect({ id: 'linear', name: 'Linear', connector: 'linear/login' })],
  callbacks: {
    // Without a database, the session itself has to say who it is: by the gateway's name for the person.
    jwt: ({ token, account }) => (account ? { ...token, sub: account.providerAccountId } : token),
    session: ({ session, token }) => ({ ...session, sub: token.sub }),
  },
}

export const serve = (request: Request): Promise<Response> => Auth(request, config)
