import { anyText, uuid } from './shapes.ts'
import { defineTemplate, optional, type TrustTemplate } from './template.ts'

/**
 * Buildkite. Organization and pipeline by their ids, which a job must ask for (`--claim organization_id,pipeline_id,…`);
 * slugs rename and step keys are the author's to choose. The environment is a cluster or queue of agents, or else one
 * branch built for one reason.
 *
 * Tokens live five minutes unless more is asked for, up to two hours: more than ten minutes is not accepted.
 */
export const buildkite: TrustTemplate = defineTemplate({
  platform: 'buildkite',
  title: 'Buildkite',
  fields: {
    organizationId: uuid,
    pipelineId: uuid,
    clusterId: optional(uuid),
    queueId: optional(uuid),
    branch: optional(anyText),
    buildSource: optional({
      what: 'webhook, ui, api, schedule or trigger_job',
      pattern: /^(?:webhook|ui|api|schedule|trigger_job)$/,
    }),
  },
  fill({ organizationId, pipelineId, clusterId, queueId, branch, buildSource = 'webhook' }) {
    const onAgents = clusterId !== undefined || queueId !== undefined
    if (!onAgents && branch === undefined)
      return 'clusterId, queueId or branch: one must say which environment it is'
    const where = [
      ...(clusterId === undefined ? [] : [`on the cluster ${clusterId}`]),
      ...(queueId === undefined ? [] : [`on the queue ${queueId}`]),
      ...(branch === undefined ? [] : [`for the branch ${branch}, started by ${buildSource}`]),
    ]
    return {
      issuer: 'https://agent.buildkite.com',
      claims: {
        organization_id: organizationId,
        pipeline_id: pipelineId,
        ...(clusterId === undefined ? {} : { cluster_id: clusterId }),
        ...(queueId === undefined ? {} : { queue_id: queueId }),
        ...(branch === undefined ? {} : { build_branch: branch, build_source: buildSource }),
      },
      maxAgeSeconds: 600,
      words: [
        `Jobs of the Buildkite pipeline ${pipelineId} (organization ${organizationId}) that run ${where.join(', ')}.`,
        'The job must ask for these claims by name; the ids are not in its token otherwise.',
      ],
      weaknesses: [
        branch === undefined
          ? 'Every build of the pipeline can run there, of any branch, pull request or fork that it builds: its own steps choose the queue. Give the branch as well.'
          : "A fork's branch can have the same name: let the pipeline prefix branches of forks, or not build them.",
      ],
    }
  },
})
