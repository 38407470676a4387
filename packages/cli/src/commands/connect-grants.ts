import type { Command } from 'commander'
import { changedGrant, type Grant, grantPage } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { confirmRemoval } from '../input/confirm.ts'
import { oneOf, wholeNumber } from '../input/options.ts'
import { cell, instant, table } from '../output/text.ts'
import { examples } from './examples.ts'

interface ListOptions {
  readonly state?: string
  readonly limit?: number
  readonly next?: string
}

/** Adds `connect grants` and what is beneath it. */
export function addGrants(connect: Command, act: Act): void {
  const group = connect
    .command('grants')
    .description('See and end what users and tenants granted to a connector; for operators.')
  group
    .command('list <connector>')
    .description('List the grants of a connector; never what they hold.')
    .option(
      '--state <state>',
      'active, consent_needed or ended (default: all but those that are ended)',
      oneOf('--state', ['active', 'consent_needed', 'ended']),
    )
    .option('--limit <number>', 'how many', wholeNumber('--limit', { minimum: 1, maximum: 100 }))
    .option('--next <cursor>', 'continue after an earlier page')
    .addHelpText('after', examples('valetkey connect grants list slack/mybot'))
    .action(act(list))
  group
    .command('default <connector> <grant>')
    .description('Choose the grant that answers when a request names no installation.')
    .addHelpText('after', examples('valetkey connect grants default slack/mybot grt_…'))
    .action(act(makeDefault))
  group
    .command('remove <connector> <grant>')
    .description('End one grant here, and in the background at the provider.')
    .addHelpText('after', examples('valetkey connect grants remove slack/mybot grt_… --yes'))
    .action(act(remove))
}

async function list(context: Context, uid: string, options: ListOptions): Promise<void> {
  const { client } = await connectToBroker(context)
  const page = await client.call('GET', route`/v1/connect/connectors/${uid}/grants`, grantPage, {
    query: { state: options.state, limit: options.limit, cursor: options.next },
  })
  context.output.result(page, () =>
    page.grants.length === 0
      ? `There are no such grants of ${cell(uid)}.`
      : table(
          ['ID', 'KIND', 'WHOSE', 'USED BY', 'STATE', 'DEFAULT', 'SCOPES', 'TOKEN UNTIL'],
          page.grants.map(row),
        ),
  )
  if (page.cursor !== null)
    context.output.next(`\`valetkey connect grants list ${cell(uid)} --next ${cell(page.cursor)}\`.`)
}

function row(grant: Grant): readonly unknown[] {
  const { namespace, project, environment, revokeOutcome, state } = grant
  return [
    grant.id,
    grant.kind,
    [grant.userId, grant.installationId].filter((name) => typeof name === 'string'),
    typeof namespace === 'string' ? `namespace ${namespace}` : `${cell(project.name)} ${environment}`,
    typeof revokeOutcome === 'string' ? `${state} (at the provider: ${revokeOutcome})` : state,
    grant.isDefault ? 'yes' : '',
    grant.scopes,
    instant(grant.accessExpiresAt),
  ]
}

async function makeDefault(context: Context, uid: string, id: string): Promise<void> {
  const { client } = await connectToBroker(context)
  const path = route`/v1/connect/connectors/${uid}/grants/${id}`
  const answer = await client.call('PATCH', path, changedGrant, { body: { default: true } })
  context.output.result(answer, () => `Grant ${cell(answer.id)} of ${cell(answer.uid)} is the default.`)
}

async function remove(context: Context, uid: string, id: string): Promise<void> {
  const { client } = await connectToBroker(context)
  await confirmRemoval(context.shell, context.output, context.yes, `grant ${cell(id)} of ${cell(uid)}`)
  const path = route`/v1/connect/connectors/${uid}/grants/${id}`
  const answer = await client.call('DELETE', path, changedGrant)
  context.output.result(answer, () => `Removed grant ${cell(answer.id)} of ${cell(answer.uid)}.`)
}
