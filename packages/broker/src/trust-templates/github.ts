import { findKnownIssuer } from '../authenticate/known-issuers.ts'
import { anyText, digits, gitRef, url } from './shapes.ts'
import { defineTemplate, optional, type TrustTemplate } from './template.ts'

const gitHub = 'https://token.actions.githubusercontent.com'

/**
 * GitHub Actions. Repository and owner by their ids, which survive renames and are never given out twice (S10), and either a
 * deployment environment or one ref with one workflow file. `sub` is never parsed: its form is the repository's to
 * choose, and has changed. `pull_request_target` runs with the base's rights on a stranger's code.
 *
 * Tokens live five minutes. `issuer` is for an enterprise's own (`…/<slug>`, `*.ghe.com`, a GHES server).
 */
export const github: TrustTemplate = defineTemplate({
  platform: 'github',
  title: 'GitHub Actions',
  fields: {
    repository: {
      what: 'owner/name',
      pattern: /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})\/[A-Za-z0-9._-]{1,100}$/,
    },
    repositoryId: digits,
    ownerId: digits,
    githubEnvironment: optional(anyText),
    ref: optional(gitRef),
    jobWorkflowRef: optional({
      what: 'a workflow file with its ref, such as acme/shop/.github/workflows/deploy.yml@refs/heads/main',
      pattern: /^[\w.-]+\/[\w.-]+\/\.github\/workflows\/[^\s@]+\.ya?ml@\S+$/,
    }),
    issuer: optional(url),
  },
  fill(fields, { environment }) {
    const { repository, repositoryId, ownerId, ref, jobWorkflowRef, issuer = gitHub } = fields
    if (!isGitHubIssuer(issuer)) return 'issuer: not one of GitHub'
    if ((ref === undefined) !== (jobWorkflowRef === undefined)) {
      return 'ref and jobWorkflowRef belong together: any workflow can run on a branch'
    }
    if (ref !== undefined && fields.githubEnvironment !== undefined) {
      return 'githubEnvironment: give either it, or ref and jobWorkflowRef'
    }
    const githubEnvironment = fields.githubEnvironment ?? environment
    const place =
      ref !== undefined && jobWorkflowRef !== undefined
        ? {
            claims: { ref, job_workflow_ref: jobWorkflowRef },
            words: `by the workflow ${jobWorkflowRef} on ${ref}`,
          }
        : {
            claims: { environment: githubEnvironment },
            words: `in the GitHub environment "${githubEnvironment}"`,
          }
    return {
      issuer,
      claims: { repository_id: repositoryId, repository_owner_id: ownerId, ...place.claims },
      refuse: { event_name: 'pull_request_target' },
      maxAgeSeconds: 600,
      words: [
        `Jobs of ${repository} (repository ${repositoryId} of owner ${ownerId}) that run ${place.words}.`,
        'Not: jobs started by pull_request_target, or another repository that gets this name.',
      ],
      ...(ref === undefined
        ? {
            weaknesses: [
              `Any workflow of any branch may name the GitHub environment "${githubEnvironment}" unless its settings limit the branches.`,
            ],
          }
        : {}),
      sameIdsAs: gitHub,
    }
  },
})

function isGitHubIssuer(issuer: string): boolean {
  // The rule's parser takes http on loopback alone, and only where the broker was told to.
  if (issuer.startsWith('http://')) return true
  const platform = findKnownIssuer(issuer)?.platform
  return platform === 'GitHub Actions' || platform === 'GitHub Enterprise'
}
