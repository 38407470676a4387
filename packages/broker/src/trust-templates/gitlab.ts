import { anyText, digits, url } from './shapes.ts'
import { defineTemplate, optional, type TrustTemplate } from './template.ts'

const gitLab = 'https://gitlab.com'

/**
 * GitLab CI/CD. Project and namespace by their ids; a fork's merge request job says the fork in `project_id` and where it
 * ran in `job_project_id`, so both must be the project's. Environment and ref must be protected, or whoever may push can
 * write a job that names them. Ids count within one instance: `url` is in the rule as its issuer.
 *
 * Tokens live as long as the job may run; the default is an hour.
 */
export const gitlab: TrustTemplate = defineTemplate({
  platform: 'gitlab',
  title: 'GitLab CI/CD',
  fields: {
    project: { what: 'group/project', pattern: /^[\w.-]+(?:\/[\w.-]+)+$/ },
    projectId: digits,
    namespaceId: digits,
    gitlabEnvironment: optional(anyText),
    url: optional(url),
  },
  fill(fields, about) {
    const {
      project,
      projectId,
      namespaceId,
      gitlabEnvironment = about.environment,
      url: issuer = gitLab,
    } = fields
    return {
      issuer,
      claims: {
        project_id: projectId,
        namespace_id: namespaceId,
        job_project_id: projectId,
        environment: gitlabEnvironment,
        environment_protected: 'true',
        ref_protected: 'true',
      },
      maxAgeSeconds: 3_600,
      words: [
        `Jobs of ${project} (project ${projectId} in namespace ${namespaceId} at ${issuer}) for the protected GitLab environment "${gitlabEnvironment}", on a protected branch or tag.`,
        'Not: jobs of forks, of unprotected branches, or of another project that gets this name.',
      ],
      sameIdsAs: gitLab,
    }
  },
})
