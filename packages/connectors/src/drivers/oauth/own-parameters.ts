/** Parameters that are OAuth's own: whoever could set one of these could undo what protects the consent. */
const oauthOwnParameters: ReadonlySet<string> = new Set([
  'audience',
  'authorization_details',
  'claims',
  'client_assertion',
  'client_assertion_type',
  'client_id',
  'client_secret',
  'code',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'dpop_jkt',
  'grant_type',
  'id_token_hint',
  'iss',
  'nonce',
  'prompt',
  'redirect_uri',
  'registration',
  'request',
  'request_uri',
  'resource',
  'response_mode',
  'response_type',
  'scope',
  'state',
  'user_scope',
])

/** What operators may set for every consent though callers may not for one: neither weakens it. */
const operatorParameters: ReadonlySet<string> = new Set(['audience', 'prompt'])

/** The first parameter of `params` that is OAuth's own. */
export function ownParameterIn(
  params: Readonly<Record<string, string>>,
  options: { readonly operator?: boolean; readonly scopeParameter?: string } = {},
): string | undefined {
  return Object.keys(params).find((name) => {
    const plain = name.trim().toLowerCase()
    if (options.operator === true && operatorParameters.has(plain)) return false
    return oauthOwnParameters.has(plain) || plain === options.scopeParameter
  })
}
