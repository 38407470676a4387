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
  readonly installationId?: string
}

/** Whose tokens and grants end. Nothing named: everybody's. */
interface Holder {
  readonly subject?: Subject
  readonly installationId?: string
}

/** Adds `connect revoke-tokens`. */
export function addRevokeTokens(connect: Command, act: Act): void {
  connect
    .command('revoke-tokens <connector>')
    .description('End tokens and grants of a connector, here and where the provider can at the provider.')
    .option('--my-tokens', 'what the workload of this folder holds for one subject')
    .option(
      '--all-tokens',
      'what was issued from it to everybody, or to one user or installation; for operators',
    )
    .option(
      '--subject <type>',
      'app or user (default with --my-tokens: app, with --all-tokens: everybody)',
      oneOf('--subject', ['app', 'user']),
    )
    .option('--user-id <id>', 'which user')
    .option('--issuer <issuer>', 'with --user-id: who vouches for the user id')
    .option('--installation-id <id>', 'with --all-tokens: which installation of the app')
    .addHelpText(
      'after',
      examples(
        'valetkey connect revoke-tokens slack/mybot --my-tokens --user-id alice --yes',
        'valetkey connect revoke-tokens slack/mybot --all-tokens --yes',
        'valetkey connect revoke-tokens slack/mybot --all-tokens --user-id alice --yes',
        'valetkey connect revoke-tokens slack/mybot --all-tokens --installation-id T1 --yes',
      ),
    )
    .action(act(revokeTokens))
}

async function revokeTokens(context: Context, named: string, options: RevokeOptions): Promise<void> {
  if ((options.myTokens === true) === (options.allTokens === true))
    throw misuse('Say which: either --my-tokens or --all-tokens')
  const mine = options.myTokens === true
  const holder = holderOf(options, mine)
  const client = mine ? await connectAsWorkload(context) : (await connectToBroker(context)).client
  const { id, uid, supportsRevocation } = await client.call(
    'GET',
    route`/v1/connect/connectors/${named}`,
    namedConnector,
  )
  const whose = mine ? `what this workload holds${who(holder)}` : `all tokens and grants${who(holder)}`
  await confirmRemoval(context.shell, context.output, context.yes, `${whose} of connector ${uid}`)
  const counts = await end(client, id, holder)
  context.output.result(
    {
      id,
      uid,
      scope: mine ? 'mine' : 'all',
      // Workloads are not told what a connector can do. What it did shows that it can; nothing shows that it can't.
      supportsRevocation: supportsRevocation ?? (counts.providerRevoked + counts.providerFailed > 0 || null),
      ...counts,
    },
    () => summary(uid, counts),
  )
  if (counts.providerFailed > 0)
    context.output.next(
      'the broker tries again at the provider in the background; none of them is served any more.',
    )
}

function end(client: BrokerClient, id: string, holder: Holder): Promise<Revocation> {
  // By id: the UID could have been given to another connector since it was read.
  const path = route`/v1/connect/connectors/${id}/tokens`
  return client.call('DELETE', path, revocation, { body: holder })
}

function holderOf(options: RevokeOptions, mine: boolean): Holder {
  const { installationId } = options
  const subject = subjectOf(options)
  // An empty value, as of a variable that is not set, would otherwise end everybody's.
  if (installationId === '') throw misuse('--installation-id must not be empty')
  if (mine) {
    if (installationId !== undefined)
      throw misuse("--installation-id goes with --all-tokens: an installation is not one workload's to end")
    return { subject: subject ?? { type: 'app' } }
  }
  return {
    ...(subject === undefined ? {} : { subject }),
    ...(installationId === undefined ? {} : { installationId }),
  }
}

function subjectOf({ subject, userId, issuer }: RevokeOptions): Subject | undefined {
  if (issuer !== undefined && userId === undefined)
    throw misuse('--issuer needs --user-id: which user is meant')
  if (issuer === '') throw misuse('--issuer must not be empty')
  if (userId === undefined) {
    if (subject === 'user') throw misuse('--subject user needs --user-id: which user is meant')
    return subject === undefined ? undefined : { type: 'app' }
  }
  if (subject === 'app' || userId === '') throw misuse('--user-id names a user, and the subject is the app')
  return { type: 'user', id: userId, ...(issuer === undefined ? {} : { issuer }) }
}

function who({ subject, installationId }: Holder): string {
  const where = installationId === undefined ? '' : ` in installation ${cell(installationId)}`
  if (subject === undefined) return where
  if (subject.type !== 'user') return ` for the app${where}`
  const issuer = subject.issuer === undefined ? '' : ` of ${cell(subject.issuer)}`
  return ` for user ${cell(subject.id)}${issuer}${where}`
}

function summary(uid: string, counts: Revocation): string {
  if (counts.tokensFound === 0) return `Nothing of ${cell(uid)} was there to be ended.`
  return (
    `Ended ${count(counts.deleted, 'token')} of ${cell(uid)}: ${counts.providerRevoked} at the provider too, ` +
    `${counts.providerSkipped} where it has no call for that or nothing was left, ${counts.providerFailed} where it failed.`
  )
}
