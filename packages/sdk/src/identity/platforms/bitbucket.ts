import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted, gaveNone } from '../mint.ts'

const platform = 'Bitbucket Pipelines'

/**
 * The OIDC token of a Bitbucket step, whose audience the step's YAML names.
 *
 * @see https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/
 */
export const obtainFromBitbucket: ObtainIdentity = ([token = ''], context) => {
  const { audience } = context.destination
  if (token === '')
    throw gaveNone(platform, `the step asks for none: add \`oidc: { audiences: ["${audience}"] }\` to it`)
  return checkMinted(platform, token, [audience], context)
}
