import type { Command } from 'commander'
import { type Project, project, projectPage, removed } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { confirmRemoval } from '../input/confirm.ts'
import { given, wholeNumber } from '../input/options.ts'
import { cell, table } from '../output/text.ts'
import { examples } from './examples.ts'
import { addExplain } from './project-explain.ts'
import { addTrust } from './project-trust.ts'

/** Adds `project` and what is beneath it. */
export function addProject(program: Command, act: Act): void {
  const group = program.command('project').description('Manage projects and who is trusted to be them.')
  group
    .command('create <name>')
    .description('Create a project.')
    .option(
      '--allow-development-identities',
      'let a server give laptops identities of this project (env pull)',
    )
    .addHelpText('after', examples('valetkey project create shop'))
    .action(act(create))
  group
    .command('list')
    .description('List projects.')
    .option('--limit <number>', 'how many', wholeNumber('--limit', { minimum: 1 }))
    .option('--next <cursor>', 'continue after an earlier page')
    .addHelpText('after', examples('valetkey project list'))
    .action(act(list))
  group
    .command('remove <project>')
    .description('Remove a project with its trust rules and attachments.')
    .addHelpText('after', examples('valetkey project remove shop --yes'))
    .action(act(remove))
  addTrust(group, act)
  addExplain(group, act)
}

async function create(
  context: Context,
  name: string,
  options: { readonly allowDevelopmentIdentities?: true },
): Promise<void> {
  const { client } = await connectToBroker(context)
  const body = given({ name, allowDevelopmentIdentities: options.allowDevelopmentIdentities })
  const created: Project = await client.call('POST', '/v1/projects', project, { body })
  context.output.result(created, () => `Created project ${cell(created.name)} (${cell(created.id)}).`)
  context.output.next(
    `say who it is with \`valetkey project trust add ${cell(created.name)} --environment production --github OWNER/NAME\`, or on a laptop \`valetkey env pull --project ${cell(created.name)} --environment development\`.`,
  )
}

async function list(
  context: Context,
  options: { readonly limit?: number; readonly next?: string },
): Promise<void> {
  const { client } = await connectToBroker(context)
  const page = await client.call('GET', '/v1/projects', projectPage, {
    query: { limit: options.limit, cursor: options.next },
  })
  context.output.result(page, () =>
    page.projects.length === 0
      ? 'There are no projects.'
      : table(
          ['NAME', 'ID'],
          page.projects.map(({ name, id }) => [name, id]),
        ),
  )
  if (page.cursor !== null) context.output.next(`\`valetkey project list --next ${cell(page.cursor)}\`.`)
  else if (page.projects.length === 0) context.output.next('`valetkey project create NAME`.')
}

async function remove(context: Context, name: string): Promise<void> {
  const { client } = await connectToBroker(context)
  await confirmRemoval(
    context.shell,
    context.output,
    context.yes,
    `project ${cell(name)} with its trust rules and attachments`,
  )
  const answer = await client.call('DELETE', route`/v1/projects/${name}`, removed)
  context.output.result(answer, () => `Removed project ${cell(answer.name ?? name)}.`)
}
