import type { Command } from 'commander'
import { connector, connectorPage, project } from '../broker-client/answers.ts'
import { type BrokerClient, route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { misuse } from '../failure.ts'
import { given, wholeNumber } from '../input/options.ts'
import { readObject } from '../input/values.ts'
import { cell, table } from '../output/text.ts'
import { addAttach } from './connect-attach.ts'
import { addCreate } from './connect-create.ts'
import { addGrants } from './connect-grants.ts'
import { addImport } from './connect-import.ts'
import { addOpen } from './connect-open.ts'
import { addRemove } from './connect-remove.ts'
import { addRevokeTokens } from './connect-revoke-tokens.ts'
import { addConnectToken } from './connect-token.ts'
import { examples } from './examples.ts'

interface UpdateOptions {
  readonly name?: string
  readonly data?: string
  readonly uid?: string
}

interface ListOptions {
  readonly allProjects?: true
  readonly limit?: number
  readonly next?: string
  readonly project?: string
  readonly search?: string
  readonly service?: string
  readonly type?: string
}

/** Adds `connect` and what is beneath it. */
export function addConnect(program: Command, act: Act): void {
  const group = program
    .command('connect')
    .description('Manage connectors and their grants, and ask for their tokens.')
  addCreate(group, act)
  group
    .command('list')
    .description('List connectors: those of the linked project, else all.')
    .option('--all-projects', 'all of them, also in a linked folder')
    .option('--project <project>', 'those attached to this project')
    .option('--service <service>', 'those of this service')
    .option('--type <type>', 'those of this type')
    .option('--search <text>', 'those whose name or UID contains this')
    .option('--limit <number>', 'how many', wholeNumber('--limit', { minimum: 1 }))
    .option('--next <cursor>', 'continue after an earlier page')
    .addHelpText('after', examples('valetkey connect list --service github'))
    .action(act(list))
  group
    .command('update <connector>')
    .description('Change a connector: its name, UID, or the fields of its data that are given.')
    .option('--name <name>', 'its name for people')
    .option('--uid <uid>', 'how programs name it; callers that use the old one are refused from then on')
    .option('--data <json>', 'fields that replace the stored ones: JSON, @file or @-')
    .addHelpText('after', examples('valetkey connect update github/mybot --data @new-key.json'))
    .action(act(update))
  addAttach(group, act)
  addConnectToken(group, act)
  addOpen(group, act)
  addRevokeTokens(group, act)
  addImport(group, act)
  addGrants(group, act)
  addRemove(group, act)
}

async function list(context: Context, options: ListOptions): Promise<void> {
  if (options.allProjects === true && options.project !== undefined)
    throw misuse('--all-projects and --project exclude each other')
  const { client, broker } = await connectToBroker(context)
  const named = options.allProjects === true ? undefined : (options.project ?? broker.project)
  const page = await client.call('GET', '/v1/connect/connectors', connectorPage, {
    query: {
      limit: options.limit,
      cursor: options.next,
      search: options.search,
      service: options.service,
      type: options.type,
      projectId: named === undefined ? undefined : await projectId(client, named),
    },
  })
  const { clients, ...rest } = page
  const linked = named !== undefined && options.project === undefined
  context.output.result({ connectors: clients, ...rest }, () =>
    clients.length === 0
      ? `There are no such connectors${linked ? ` in ${cell(named)}` : ''}.`
      : table(
          ['UID', 'NAME', 'SERVICE', 'TYPE', 'ID'],
          clients.map(({ uid, name, service, type, id }) => [uid, name, service, type, id]),
        ),
  )
  if (page.cursor !== null) context.output.next(`\`valetkey connect list --next ${cell(page.cursor)}\`.`)
  else if (linked)
    context.output.next(`\`--all-projects\` for those outside the linked project ${cell(named)}.`)
  else if (clients.length === 0)
    context.output.next('`valetkey connect create SERVICE --name NAME --data @file`.')
}

/** The list filters by id; people know a project by name. */
async function projectId(client: BrokerClient, named: string): Promise<string> {
  if (named.startsWith('prj_')) return named
  return (await client.call('GET', route`/v1/projects/${named}`, project)).id
}

async function update(context: Context, uid: string, options: UpdateOptions): Promise<void> {
  if (options.name === undefined && options.uid === undefined && options.data === undefined)
    throw misuse('Nothing to change: give --name, --uid or --data')
  const data =
    options.data === undefined ? undefined : await readObject(context.shell, '--data', options.data)
  const { client } = await connectToBroker(context)
  const body = given({ name: options.name, uid: options.uid, data })
  const updated = await client.call('PATCH', route`/v1/connect/connectors/${uid}`, connector, { body })
  context.output.result(updated, () => `Updated connector ${cell(updated.uid)} (${cell(updated.id)}).`)
}
