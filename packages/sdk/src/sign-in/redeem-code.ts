import { invalidResponse } from '../errors/connect-error.ts'
import { parseJsonObject } from '../http/parse-json.ts'
import { send } from '../http/send.ts'
import type { IssuingPointCall } from '../issuing-point/issuing-point.ts'
import { checkId } from '../request/check-values.ts'
import { askGateway, gatewayRefusal } from './ask-gateway.ts'
import type { Endpoints } from './endpoints.ts'
import { readPerson } from './read-person.ts'
import type { SignedIn, SignIn } from './types.ts'

type Callback = Parameters<SignIn['redeem']>[0]

/** The parameters of a code's redemption, copied and checked. */
export function checkCallback(callback: Callback): Callback {
  return {
    code: checkId(callback.code, 'code'),
    redirectUri: checkId(callback.redirectUri, 'redirectUri'),
    // Without one the gateway refuses, and so would a client that forgot PKCE find out here.
    codeVerifier: checkId(callback.codeVerifier, 'codeVerifier'),
  }
}

/**
 * Redeems a code (RFC 6749 §4.1.3) and asks who it is (OpenID Connect Core §5.3). The access token comes from the
 * gateway itself, is used there once, and goes nowhere else.
 */
export async function redeemCode(
  clientId: string,
  { tokenUrl, userinfoUrl }: Endpoints,
  { code, redirectUri, codeVerifier }: Callback,
  call: IssuingPointCall,
): Promise<SignedIn> {
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: codeVerifier,
  })
  const headers = { accept: 'application/json' }
  const answer = await askGateway(clientId, tokenUrl, { method: 'POST', headers, body }, call)
  const sent = [call.credential, code, codeVerifier]
  if (answer.status !== 200) throw gatewayRefusal(answer, sent)
  const { access_token: accessToken, token_type: type, scope } = parseJsonObject(answer.text) ?? {}
  // A token of another type would need a proof that a Bearer header is none of (RFC 6749 §7.1).
  if (typeof accessToken !== 'string' || !/^[\x21-\x7e]+$/.test(accessToken) || !isBearer(type))
    throw invalidResponse('The gateway gave no access token')
  const info = await send(call, { url: userinfoUrl, method: 'GET', credential: accessToken })
  if (info.status !== 200) throw gatewayRefusal(info, [...sent, accessToken])
  const scopes = typeof scope === 'string' ? scope.split(' ').filter((one) => one !== '') : []
  return { person: readPerson(parseJsonObject(info.text)), scopes }
}

function isBearer(type: unknown): boolean {
  return typeof type === 'string' && type.toLowerCase() === 'bearer'
}
