import type { AudienceOptions, FakePlatform } from './fake-platform.ts'
import { startVariablePlatform } from './token-in-variable.ts'

/** The workspace has `TFC_WORKLOAD_IDENTITY_AUDIENCE`, or with a tag `TFC_WORKLOAD_IDENTITY_AUDIENCE_<tag>`. */
export interface HcpTerraformOptions extends AudienceOptions {
  /** Such as `VALETKEY`. Absent: the workspace's only token. */
  readonly tag?: string
}

/**
 * An apply in HCP Terraform. Its token lives as long as the phase may, here an hour.
 *
 * @see https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/manual-generation
 */
export function startHcpTerraform(options: HcpTerraformOptions): Promise<FakePlatform> {
  const { audience, tag } = options
  const description = {
    algorithm: 'RS256',
    lifetimeSeconds: 3_600,
    earlySeconds: 5,
    hasTokenId: true,
    claims: {
      sub: 'organization:acme:project:shop:workspace:website:run_phase:apply',
      terraform_organization_id: 'org-GRNbCjYNpBB6NEBH',
      terraform_organization_name: 'acme',
      terraform_project_id: 'prj-vegSA59s1XPwMr2t',
      terraform_project_name: 'shop',
      terraform_workspace_id: 'ws-mbsd5E3Ktt5Rg2Xm',
      terraform_workspace_name: 'website',
      terraform_full_workspace: 'organization:acme:project:shop:workspace:website',
      terraform_run_id: 'run-X3n1AUXNGWbfECsJ',
      terraform_run_phase: 'apply',
    },
  } as const
  const variable = `TFC_WORKLOAD_IDENTITY_TOKEN${tag === undefined ? '' : `_${tag}`}`
  const variables = { TFC_RUN_ID: 'run-X3n1AUXNGWbfECsJ', TFC_WORKSPACE_NAME: 'website' }
  return startVariablePlatform({ description, variable, audience, variables }, options)
}
