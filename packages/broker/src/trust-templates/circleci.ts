import { gitRef, uuid } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * CircleCI, by the organization's own issuer; the root issuer, which all share, is not for templates. Forks may get
 * tokens: origin and ref are pinned, and a job that somebody may log in to (`ssh-rerun`) is not admitted.
 *
 * A restricted context would be the better environment, but `context-ids` is a list and rules match text only.
 */
export const circleci: TrustTemplate = defineTemplate({
  platform: 'circleci',
  title: 'CircleCI',
  fields: {
    organizationId: uuid,
    projectId: uuid,
    vcsOrigin: { what: 'a repository such as github.com/acme/shop', pattern: /^[\w.-]+(?:\/[\w.-]+){1,5}$/ },
    ref: gitRef,
  },
  fill: ({ organizationId, projectId, vcsOrigin, ref }) => ({
    issuer: `https://oidc.circleci.com/org/${organizationId}`,
    claims: {
      'oidc.circleci.com/org-id': organizationId,
      'oidc.circleci.com/project-id': projectId,
      'oidc.circleci.com/vcs-origin': vcsOrigin,
      'oidc.circleci.com/vcs-ref': ref,
      'oidc.circleci.com/ssh-rerun': 'false',
    },
    maxAgeSeconds: 3_600,
    words: [
      `Jobs of the CircleCI project ${projectId} (organization ${organizationId}) that build ${ref} of ${vcsOrigin}.`,
      'Not: builds of forks or other branches, and jobs that were run again with SSH.',
    ],
    weaknesses: ['Whoever may push to that ref writes the job: protect the branch.'],
  }),
})
