import type { Command } from 'commander'
import { attachedProjects, connector, removed } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { failed } from '../failure.ts'
import { confirmRemoval } from '../input/confirm.ts'
import { cell, count } from '../output/text.ts'
import { examples } from './examples.ts'

/** Adds `connect remove`. */
export function addRemove(connect: Command, act: Act): void {
  connect
    .command('remove <connector>')
    .description('Remove a connector and everything it stores.')
    .option('--disconnect-all', 'detach it first from every project that uses it')
    .addHelpText('after', examples('valetkey connect remove slack/mybot --disconnect-all --yes'))
    .action(act(remove))
}

async function remove(
  context: Context,
  named: string,
  options: { readonly disconnectAll?: true },
): Promise<void> {
  const { client } = await connectToBroker(context)
  // By id from here on: a UID could be given to another connector between two calls.
  const { id, uid } = await client.call('GET', route`/v1/connect/connectors/${named}`, connector)
  const { projects } = await client.call(
    'GET',
    route`/v1/connect/connectors/${id}/projects`,
    attachedProjects,
  )
  if (projects.length > 0 && options.disconnectAll !== true)
    throw failed(
      'conflict',
      `${uid} is still attached to ${projects.map(({ project }) => project.name).join(', ')}: nothing was removed`,
      'Detach it with `valetkey connect detach`, or add --disconnect-all.',
    )
  const users = projects.length === 0 ? '' : `, attached to ${count(projects.length, 'project')},`
  await confirmRemoval(context.shell, context.output, context.yes, `connector ${uid}${users}`)
  for (const { project } of projects)
    await client.call('DELETE', route`/v1/connect/connectors/${id}/projects/${project.id}`, removed)
  const answer = await client.call('DELETE', route`/v1/connect/connectors/${id}`, removed)
  context.output.result(answer, () => `Removed connector ${cell(uid)} (${cell(id)}).`)
}
