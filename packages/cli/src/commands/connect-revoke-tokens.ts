import type { Subject } from '@valetkey/protocol'
import type { Command } from 'commander'
import { namedConnector, type Revocation, revocation } from '../broker-client/answers.ts'
import { type BrokerClient, route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { misuse } from '../failure.ts'
import { confirmRemoval } from '../input/confirm.ts'
import { oneOf } from '../input/options.ts'
import { cell, count } from '../output/text.ts'
import { connectAsWorkload } from './connect-as-workload.ts'
import { examples } from './examples.ts'

interface RevokeOptions {
  readonly myTokens?: true
  readonly allTokens?: true
  readonly subject?: 'app' | 'user'
  readonly userId?: string
  readonly issuer?: string
}

/** Adds `connect revoke-tokens`. */
export function addRevokeTokens(connect: Command, act: Act): void {
  connect
    .command('revoke-tokens <connector>')
    .description('End tokens and grants of a connector, here and where the provider can at the provider.')
    .option('--my-tokens', 'what the workload of this folder holds for one subject')
    .option('--all-tokens', 'everything that was issued from it, to whomever; for operators')
    .option(
      '--subject <type>',
      'with --my-tokens: app or user (default: app)',
      oneOf('--subject', ['app', 'user']),
    )
    .option('--user-id <id>', 'with --my-tokens: which user')
    .option('--issuer <issuer>', 'with --user-id: who vouches for the user id')
    .addHelpText(
      'after',
      examples(
        'valetkey connect revoke-tokens slack/mybot --my-tokens --user-id alice --yes',
        'valetkey connect revoke-tokens slack/mybot --all-tokens --yes',
      ),
    )
    .action(act(revokeTokens))
}

async function revokeTokens(context: Context, named: string, options: RevokeOptions): Promise<void> {
  if ((options.myTokens === true) === (options.allTokens === true))
    throw misuse('Say which: either --my-tokens or --all-tokens')
  const mine = options.myTokens === true
  const subject = subjectOf(options, mine)
  const client = mine ? await connectAsWorkload(context) : (await connectToBroker(context)).client
  const { id, uid, supportsRevocation } = await client.call(
    'GET',
    route`/v1/connect/connectors/${named}`,
    namedConnector,
  )
  const whose =
    subject === undefined ? 'all tokens and grants' : `what this workload holds for ${who(subject)}`
  await confirmRemoval(context.shell, context.output, context.yes, `${whose} of connector ${uid}`)
  const counts = await end(client, id, subject)
  context.output.result(
    {
      id,
      uid,
      scope: mine ? 'mine' : 'all',
      // Workloads are not told what a connector can do: what it did says so too, unless there was nothing to end.
      supportsRevocation: supportsRevocation ?? counts.providerRevoked + counts.providerFailed > 0,
      ...counts,
    },
    () => summary(uid, counts),
  )
  if (counts.providerFailed > 0)
    context.output.next(
      'the broker tries again at the provider in the background; none of them is served any more.',
    )
}

function end(client: BrokerClient, id: string, subject: Subject | undefined): Promise<Revocation> {
  // By id: the UID could have been given to another connector since it was read.
  const path = route`/v1/connect/connectors/${id}/tokens`
  return client.call('DELETE', path, revocation, { body: subject === undefined ? {} : { subject } })
}

function subjectOf(options: RevokeOptions, mine: boolean): Subject | undefined {
  const { subject, userId: user, issuer } = options
  if (!mine) {
    if (subject !== undefined || user !== undefined || issuer !== undefined)
      throw misuse('--subject, --user-id and --issuer go with --my-tokens')
    return undefined
  }
  if (issuer !== undefined && user === undefined)
    throw misuse('--issuer needs --user-id: which user is meant')
  if (user === undefined) {
    if (subject === 'user') throw misuse('--subject user needs --user-id: which user is meant')
    return { type: 'app' }
  }
  if (subject === 'app' || user === '') throw misuse('--user-id names a user, and the subject is the app')
  return { type: 'user', id: user, ...(issuer === undefined ? {} : { issuer }) }
}

function who(subject: Subject): string {
  return subject.type === 'user' ? `user ${subject.id}` : 'the app'
}

function summary(uid: string, counts: Revocation): string {
  if (counts.tokensFound === 0) return `Nothing of ${cell(uid)} was there to be ended.`
  return (
    `Ended ${count(counts.deleted, 'token')} of ${cell(uid)}: ${counts.providerRevoked} at the provider too, ` +
    `${counts.providerSkipped} where it has no call for that or nothing was left, ${counts.providerFailed} where it failed.`
  )
}
