import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted, gaveNone } from '../mint.ts'

const platform = 'HCP Terraform'

/**
 * The workload identity token of an HCP Terraform run, whose audience a variable of the workspace names. With the tag
 * `VALETKEY` in that variable, other audiences of the workspace stay as they are.
 *
 * @see https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/manual-generation
 */
export const obtainFromHcpTerraform: ObtainIdentity = ([token = ''], context) => {
  const { audience } = context.destination
  if (token === '')
    throw gaveNone(
      platform,
      `set TFC_WORKLOAD_IDENTITY_AUDIENCE_VALETKEY to ${audience} in the workspace’s environment`,
    )
  return checkMinted(platform, token, [audience], context)
}
