import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted, gaveNone } from '../mint.ts'

const platform = 'GitLab CI'

/**
 * The ID token of a GitLab job. GitLab mints none at run time: the job's YAML names a variable and its audience, and
 * the one looked for carries the audience in its name (`VALETKEY_ID_TOKEN` does too, and comes first).
 *
 * @see https://docs.gitlab.com/ci/secrets/id_token_authentication/
 */
export const obtainFromGitlab: ObtainIdentity = ([token = ''], context) => {
  const { audience } = context.destination
  if (token === '')
    throw gaveNone(
      platform,
      `the job asks for none: add \`id_tokens: { VALETKEY_ID_TOKEN: { aud: ${audience} } }\` to it`,
    )
  return checkMinted(platform, token, [audience], context)
}
