import {
  type AuthorizationStatus,
  type ConnectTokenParams,
  type ConnectTokenResponse,
  deleteTokenCacheEntry,
  getTokenResponse,
  isConnectError,
  revokeToken,
  startAuthorization,
  waitForAuthorization,
} from '@valetkey/sdk'
import type { ConnectionPrincipal, TokenResult } from 'eve/connections'
import { returnUrl } from './consent-return.ts'
import { checkOptions, invalid } from './options.ts'
import { type Failure, failed, translate } from './translate.ts'
import type {
  AppAuthorization,
  ConnectAuthorizationOptions,
  ConnectionContext,
  EveClient,
  UserAuthorization,
} from './types.ts'

const packageFunctions: EveClient = {
  deleteTokenCacheEntry,
  getTokenResponse,
  revokeToken,
  startAuthorization,
  waitForAuthorization,
}

const waitMs = 5_000

/**
 * The `auth` of `defineMcpClientConnection` or `defineOpenAPIConnection`: tokens of `connector` for the signed-in
 * user, who is asked for consent when there is no grant, or with `principalType: 'app'` for the app itself.
 *
 * **Binds on consent.** eve resumes a turn by a callback that carries no session, so nothing can tell whether the
 * person who came back is the one who began: `startAuthorization` is called with `binding: 'consent'`, and the
 * attachment must be made with `--dangerously-bind-on-consent`. Whoever opens the link consents for the user it was
 * made for: show it to that user alone.
 *
 * A callback proves nothing either. `completeAuthorization` ignores what it says, asks the issuing point how the consent
 * stands, for at most `connectOptions.timeoutMs` (5 s), and then for the token; a denial, an expiry and a fault throw
 * eve's `ConnectionAuthorizationFailedError`.
 *
 * @throws {ConnectError} `invalid_request` for an unknown or malformed option; it is named, its value is not.
 */
export function connect(connector: string): UserAuthorization
export function connect(
  options: ConnectAuthorizationOptions & { readonly principalType?: 'user' | undefined },
): UserAuthorization
export function connect(
  options: ConnectAuthorizationOptions & { readonly principalType: 'app' },
): AppAuthorization
export function connect(input: string | ConnectAuthorizationOptions): UserAuthorization | AppAuthorization
export function connect(input: string | ConnectAuthorizationOptions): UserAuthorization | AppAuthorization {
  const options = checkOptions(input)
  return options.principalType === 'app' ? appAuthorization(options) : userAuthorization(options)
}

function appAuthorization(options: ConnectAuthorizationOptions): AppAuthorization {
  return { principalType: 'app', ...common(options) }
}

function userAuthorization(options: ConnectAuthorizationOptions): UserAuthorization {
  const { client = packageFunctions, connector, connectOptions, instructions, returnPath } = options
  return {
    principalType: 'user',
    ...common(options),
    async startAuthorization({ principal, connection, callbackUrl }) {
      return translating({ phase: 'startAuthorization' }, options, async () => {
        const params = await paramsOf(options, principal, connection)
        const started = await client.startAuthorization(connector, params, {
          ...connectOptions,
          callbackUrl: returnUrl(callbackUrl, returnPath),
          binding: 'consent',
        })
        const displayName = options.displayName ?? started.connector.serviceName ?? started.connector.name
        return {
          challenge: {
            url: started.url,
            expiresAt: new Date(started.expiresAt).toISOString(),
            displayName,
            ...(started.deviceCode === undefined ? undefined : { userCode: started.deviceCode }),
            ...(instructions === undefined ? undefined : { instructions }),
          },
          resume: { request: started.request, verifier: started.verifier },
        }
      })
    },
    async completeAuthorization({ principal, connection, resume }) {
      const failure: { -readonly [Key in keyof Failure]: Failure[Key] } = { phase: 'completeAuthorization' }
      return translating(failure, options, async () => {
        const params = await paramsOf(options, principal, connection)
        if (resume === undefined)
          throw failed(connector, 'The consent was not begun here', 'authorization_state_missing', true)
        const onStatus = ({ status }: AuthorizationStatus) => {
          failure.status = status
        }
        const timeoutMs = connectOptions?.timeoutMs ?? waitMs
        const { request, verifier } = resume
        try {
          await client.waitForAuthorization({ request, verifier }, { ...connectOptions, timeoutMs, onStatus })
        } catch (error) {
          // Vercel Connect has no such call: there, only the token tells.
          if (!isConnectError(error) || error.code !== 'invalid_request') throw error
        }
        // Not one from before the consent.
        return tokenOf(
          await client.getTokenResponse(connector, params, { ...connectOptions, forceRefresh: true }),
        )
      })
    },
  }
}

function common(options: ConnectAuthorizationOptions): Pick<AppAuthorization, 'getToken' | 'evict'> {
  const { client = packageFunctions, connector, connectOptions, validate } = options
  return {
    getToken({ principal, connection }) {
      return translating({ phase: 'getToken' }, options, async () => {
        const params = await paramsOf(options, principal, connection)
        const call = validate === true ? { ...connectOptions, forceRefresh: true } : connectOptions
        return tokenOf(await client.getTokenResponse(connector, params, call))
      })
    },
    async evict({ principal, connection, revoke }) {
      const params = await paramsOf(options, principal, connection)
      if (revoke !== true) return client.deleteTokenCacheEntry(connector, params, connectOptions)
      const { subject, installationId } = params
      await client.revokeToken(connector, { subject, installationId }, connectOptions)
    },
  }
}

async function translating<Result>(
  failure: Failure,
  options: ConnectAuthorizationOptions,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act()
  } catch (error) {
    throw translate(error, failure, options)
  }
}

async function paramsOf(
  options: ConnectAuthorizationOptions,
  principal: ConnectionPrincipal,
  connection: ConnectionContext | undefined,
): Promise<ConnectTokenParams> {
  const { createSubject, principalType, tokenParams, connector } = options
  if (createSubject !== undefined) {
    if (connection === undefined) throw invalid('connection must be given where createSubject is')
    return { ...tokenParams, subject: await createSubject(principal, connection) }
  }
  if (principalType === 'app') return { ...tokenParams, subject: { type: 'app' } }
  // Checked whatever the types say: an id that is missing must never become somebody else's.
  if (principal.type !== 'user' || typeof principal.id !== 'string' || principal.id === '')
    throw failed(connector, 'There is no signed-in user to get a token for', 'principal_required', false)
  const { id, issuer } = principal
  return { ...tokenParams, subject: { type: 'user', id, ...(issuer === undefined ? undefined : { issuer }) } }
}

function tokenOf({ token, expiresAt }: ConnectTokenResponse): TokenResult {
  return { token, expiresAt }
}
