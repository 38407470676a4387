import * as client from 'openid-client'
import { z } from 'zod'
import type { GrantIdentity } from '../../consent.ts'
import { type ProviderAccess, ProviderFault } from '../../driver.ts'
import { shownText } from '../../settings.ts'
import { configure, type OAuthConnection } from './connection.ts'
import { asFault, type Exchanged, plainFetch } from './exchange.ts'

const subjectShape = z.object({ sub: z.string().min(1).max(255) })
const claimsShape = z.object({
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
    const claims = await userInfo(connection, answer.tokens.access_token, subject, access)
    return identityFrom(
      answer.claims === undefined ? [claims] : [answer.claims, claims],
      answer.claims !== undefined || required,
    )
  } catch (error) {
    // The consent has been spent by now: what is only nice to know must not lose it.
    if (answer.claims !== undefined) return identityFrom([answer.claims], true)
    if (!required) return {}
    throw error
  }
}

/** From several sources about one subject, the most trusted first: what one lacks, the next tells. */
function identityFrom(sources: readonly object[], vouched: boolean): GrantIdentity {
  const { sub } = subjectShape.parse(sources[0])
  const all = sources.map((source) => claimsShape.parse(source))
  const name = all.find((each) => each.name !== undefined)?.name
  const picture = all.find((each) => each.picture !== undefined)?.picture
  // Both from one source: what one says of its address is not said of another's.
  const { email, email_verified: emailVerified } = all.find((each) => each.email !== undefined) ?? {}
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
