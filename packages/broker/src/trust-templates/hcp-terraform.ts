import { prefixedId, url } from './shapes.ts'
import { defineTemplate, optional, type TrustTemplate } from './template.ts'

const hcp = 'https://app.terraform.io'

/**
 * HCP Terraform, or Terraform Enterprise with `url`. Organization and workspace by their ids, in the apply phase: a plan
 * runs for every pull request. Tokens of module tests have no workspace and are not admitted.
 *
 * Tokens live as long as the phase may: up to a day.
 */
export const hcpTerraform: TrustTemplate = defineTemplate({
  platform: 'hcp-terraform',
  title: 'HCP Terraform',
  fields: {
    organizationId: prefixedId('org-', /^org-[A-Za-z0-9]{4,64}$/),
    workspaceId: prefixedId('ws-', /^ws-[A-Za-z0-9]{4,64}$/),
    url: optional(url),
  },
  fill: ({ organizationId, workspaceId, url: issuer = hcp }) => ({
    issuer,
    claims: {
      terraform_organization_id: organizationId,
      terraform_workspace_id: workspaceId,
      terraform_run_phase: 'apply',
    },
    maxAgeSeconds: 86_400,
    words: [
      `Applies in the Terraform workspace ${workspaceId} (organization ${organizationId} at ${issuer}).`,
      'Not: plans, which pull requests run, and module tests.',
    ],
    weaknesses: ['Its tokens live as long as the phase may run, up to a day.'],
    sameIdsAs: hcp,
  }),
})
