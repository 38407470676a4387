import { opaqueId, slug } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Spacelift. Space and stack by what the platform calls their ids (slugs, which its documentation says can repeat), in
 * tracked runs with write access: proposed runs are pull requests. All its tokens are for the account's host name. `sub` is
 * not looked at: its form is the account's to choose.
 */
export const spacelift: TrustTemplate = defineTemplate({
  platform: 'spacelift',
  title: 'Spacelift',
  fixedAudience: true,
  fields: {
    host: {
      what: "the account's host name, such as acme.app.spacelift.io",
      pattern: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.app(?:\.[a-z]{2})?\.spacelift\.io$/,
    },
    spaceId: slug,
    callerId: opaqueId,
  },
  fill: ({ host, spaceId, callerId }) => ({
    issuer: `https://${host}`,
    audience: host,
    claims: { spaceId, callerId, runType: 'TRACKED', scope: 'write' },
    maxAgeSeconds: 3_600,
    words: [
      `Tracked runs of the Spacelift stack ${callerId} in the space ${spaceId} at ${host}, with write access.`,
      'Not: proposed runs, tasks and tests.',
    ],
    weaknesses: ['Spaces are known by slugs, which can repeat once a space was removed.'],
    sameIdsAs: 'https://account.app.spacelift.io',
  }),
})
