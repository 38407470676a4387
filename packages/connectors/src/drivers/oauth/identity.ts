import * as client from 'openid-client'
import { z } from 'zod'
import type { GrantIdentity } from '../../consent.ts'
import { type ProviderAccess, ProviderFault } from '../../driver.ts'
import { shownText } from '../../settings.ts'
import { configure, type OAuthConnection } from './connection.ts'
import { asFault, type Exchanged, plainFetch } from './exchange.ts'

const claimsShape = z.object({
  sub: z.string().min(1).max(255),
  email: shownText(),
  // Only a plain `true` counts: whoever reads this claim lets people in by it.
  email_verified: z.boolean().optional().catch(undefined),
  name: shownText(),
  picture: z
    .url({ protocol: /^https$/ })
    .max(2048)
    .optional()
    .catch(undefined),
})

/**
 * Who consented: from the ID token, else from userinfo.
 *
 * @param required the broker will vouch for the person: not knowing them is then a fault, else it is merely unknown.
 */
export async function identityOf(
  connection: OAuthConnection,
  answer: Extract<Exchanged, { outcome: 'answered' }>,
  required: boolean,
  access: ProviderAccess,
): Promise<GrantIdentity> {
  const subject = answer.claims?.sub
  try {
    if (connection.identify !== undefined) {
      const { claims, ...identity } = await connection.identify(answer.tokens.access_token, access)
      return { ...identity, ...(required && claims !== undefined ? { claims } : {}) }
    }
    const claims = { ...(await userInfo(connection, answer.tokens.access_token, subject, access)) }
    return identityFrom({ ...claims, ...answer.claims }, answer.claims !== undefined || required)
  } catch (error) {
    // The consent has been spent by now: what is only nice to know must not lose it.
    if (answer.claims !== undefined) return identityFrom(answer.claims, true)
    if (!required) return {}
    throw error
  }
}

function identityFrom(claims: object, vouched: boolean): GrantIdentity {
  const { sub, email, email_verified: emailVerified, name, picture } = claimsShape.parse(claims)
  return {
    externalSubject: sub,
    ...(name === undefined ? {} : { name }),
    ...(vouched
      ? {
          claims: {
            ...(email === undefined ? {} : { email }),
            ...(email === undefined || emailVerified === undefined ? {} : { emailVerified }),
            ...(name === undefined ? {} : { name }),
            ...(picture === undefined ? {} : { picture }),
          },
        }
      : {}),
  }
}

async function userInfo(
  connection: OAuthConnection,
  accessToken: string,
  subject: string | undefined,
  access: ProviderAccess,
): Promise<object> {
  if (connection.server.userinfoEndpoint === undefined) {
    if (subject !== undefined) return {}
    throw new ProviderFault(`${connection.provider} does not say who consented`)
  }
  const config = await configure(connection, access, plainFetch(connection, access))
  try {
    return await client.fetchUserInfo(config, accessToken, subject ?? client.skipSubjectCheck)
  } catch (error) {
    throw asFault(connection, error)
  }
}
