import type { Authority } from '@valetkey/protocol'
import type { TokenEndpointResponse } from 'openid-client'
import { z } from 'zod'
import type { GrantCredential } from '../../consent.ts'
import type { JsonObject } from '../../driver.ts'
import { positiveSeconds } from './answer.ts'
import type { OAuthConnection, OAuthQuirks } from './connection.ts'

/** What was asked for, and stands where the answer is silent. */
export interface Asked extends Authority {
  readonly audience: readonly string[]
  readonly redirectUri?: string
}

/** What has to be sent again on a refresh, exactly as it was. */
const extraShape = z.object({
  resources: z.array(z.string()).default([]),
  audience: z.array(z.string()).default([]),
  redirectUri: z.string().optional(),
})

/** What a consent gave. */
export function credentialOf(
  connection: OAuthConnection,
  answer: { readonly tokens: TokenEndpointResponse; readonly body: JsonObject },
  asked: Asked,
  now: number,
): GrantCredential {
  const { tokens } = answer
  const { refresh_token: refreshToken, refresh_token_expires_in: refreshLife } = tokens
  const seconds = positiveSeconds(refreshLife)
  const kept = connection.refreshTokens && refreshToken !== undefined
  return {
    accessToken: tokens.access_token,
    accessExpiresAtMs: endOf(connection, tokens, now),
    ...(kept ? { refreshToken } : {}),
    ...(kept && seconds !== undefined ? { refreshExpiresAtMs: now + seconds * 1000 } : {}),
    granted: grantedBy(connection, tokens, asked),
    extra: {
      resources: asked.resources,
      audience: asked.audience,
      ...(asked.redirectUri === undefined ? {} : { redirectUri: asked.redirectUri }),
    },
  }
}

/** What a refresh gave: what it is silent about stays as it was. */
export function refreshedCredential(
  connection: OAuthConnection,
  before: GrantCredential,
  answer: { readonly tokens: TokenEndpointResponse; readonly body: JsonObject },
  now: number,
): GrantCredential {
  const asked = { ...before.granted, ...rememberedBy(before) }
  const after = credentialOf(connection, answer, asked, now)
  const { refreshToken, refreshExpiresAtMs } = before
  const details = answer.tokens.authorization_details === undefined ? before.granted : after.granted
  return {
    ...after,
    granted: { ...after.granted, authorizationDetails: details.authorizationDetails },
    ...(after.refreshToken !== undefined || refreshToken === undefined
      ? {}
      : { refreshToken, ...(refreshExpiresAtMs === undefined ? {} : { refreshExpiresAtMs }) }),
  }
}

/** What the consent was asked with. */
export function rememberedBy(credential: GrantCredential): {
  readonly resources: readonly string[]
  readonly audience: readonly string[]
  readonly redirectUri?: string
} {
  const { redirectUri, ...rest } = extraShape.parse(credential.extra ?? {})
  return { ...rest, ...(redirectUri === undefined ? {} : { redirectUri }) }
}

/** When a token ends: by the answer, else as configured, else nobody knows. */
export function endOf(
  connection: OAuthConnection,
  tokens: TokenEndpointResponse,
  now: number,
): number | null {
  const seconds = tokens.expires_in ?? connection.defaultTokenExpiresInSeconds
  return seconds === undefined ? null : now + Math.floor(seconds * 1000)
}

/**
 * What a token carries. Silence about scopes means those asked for (RFC 6749 §5.1); silence about authorization
 * details means none, because a server that grants any must name them (RFC 9396 §7).
 */
export function grantedBy(
  { quirks }: OAuthConnection,
  tokens: TokenEndpointResponse,
  asked: Authority,
): Authority {
  const details = z
    .array(z.looseObject({ type: z.string() }))
    .catch([])
    .parse(tokens.authorization_details)
  return {
    scopes: tokens.scope === undefined ? asked.scopes : splitScopes(tokens.scope, quirks),
    resources: asked.resources,
    authorizationDetails: details,
  }
}

/** Providers that take commas answer with either. */
function splitScopes(text: string, { scopeSeparator, scopeAliases }: OAuthQuirks): readonly string[] {
  const parts = text.split(scopeSeparator === ',' ? /[\s,]+/ : /\s+/).filter((part) => part !== '')
  const named = parts.map((part) => (Object.hasOwn(scopeAliases, part) ? (scopeAliases[part] ?? part) : part))
  return [...new Set(named)].sort()
}
