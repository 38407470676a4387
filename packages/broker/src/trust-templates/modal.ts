import { prefixedId } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Modal. Workspace, environment and app by their ids. All its tokens are for the audience `oidc.modal.com`, and live two
 * days; a rule accepts one for a day after it was issued. That ids are never given out again is not documented.
 */
export const modal: TrustTemplate = defineTemplate({
  platform: 'modal',
  title: 'Modal',
  fixedAudience: true,
  fields: {
    workspaceId: prefixedId('ac-', /^ac-[A-Za-z0-9]{4,64}$/),
    environmentId: prefixedId('en-', /^en-[A-Za-z0-9]{4,64}$/),
    appId: prefixedId('ap-', /^ap-[A-Za-z0-9]{4,64}$/),
  },
  fill: ({ workspaceId, environmentId, appId }) => ({
    issuer: 'https://oidc.modal.com',
    audience: 'oidc.modal.com',
    claims: { workspace_id: workspaceId, environment_id: environmentId, app_id: appId },
    maxAgeSeconds: 86_400,
    words: [
      `The Modal app ${appId} in the environment ${environmentId} (workspace ${workspaceId}).`,
      'Not: its other environments and apps.',
    ],
    weaknesses: ['Its tokens live two days; they are accepted for the first of them.'],
  }),
})
