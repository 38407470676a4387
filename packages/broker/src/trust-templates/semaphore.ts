import { gitRef, hostLabel, uuid } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Semaphore. Organization and project by their ids, a pipeline's job (a debug job is somebody's shell), and one ref. All its
 * tokens are for the organization's own URL, and live a day.
 */
export const semaphore: TrustTemplate = defineTemplate({
  platform: 'semaphore',
  title: 'Semaphore',
  fixedAudience: true,
  fields: { organization: hostLabel, organizationId: uuid, projectId: uuid, ref: gitRef },
  fill({ organization, organizationId, projectId, ref }) {
    const issuer = `https://${organization}.semaphoreci.com`
    return {
      issuer,
      audience: issuer,
      claims: { org_id: organizationId, prj_id: projectId, job_type: 'pipeline_job', ref },
      refuse: { ref_type: ['pr', 'pull-request'] },
      maxAgeSeconds: 86_400,
      words: [
        `Pipeline jobs of the Semaphore project ${projectId} (organization ${organization}, ${organizationId}) on ${ref}.`,
        'Not: debug jobs, pull requests and other refs.',
      ],
      weaknesses: ['Its tokens live a day.'],
    }
  },
})
