import type { Subject } from '@valetkey/protocol'
import type { Command } from 'commander'
import type { Act, Context } from '../context.ts'
import { misuse } from '../failure.ts'
import type { TokenParams } from '../identity/sdk.ts'
import { asWorkload, findWorkload } from '../identity/workload.ts'
import { names, oneOf, uris } from '../input/options.ts'
import { readDetails } from '../input/values.ts'
import { cell, instant } from '../output/text.ts'
import { examples } from './examples.ts'

interface TokenOptions {
  readonly subject: 'app' | 'user'
  readonly userId?: string
  readonly issuer?: string
  readonly installationId?: string
  readonly scopes?: readonly string[]
  readonly resources?: readonly string[]
  readonly authorizationDetails?: string
}

/** Adds `connect token`. */
export function addConnectToken(connect: Command, act: Act): void {
  connect
    .command('token <connector>')
    .description('Ask for a token as the workload of this folder and print it, alone, on stdout.')
    .option('--subject <type>', 'on whose behalf: app or user', oneOf('--subject', ['app', 'user']), 'app')
    .option('--user-id <id>', 'which user, with --subject user')
    .option('--issuer <issuer>', 'with --user-id: who vouches for the user id')
    .option('--installation-id <id>', 'which installation of the app')
    .option('--scopes <scopes>', 'narrow it to these, separated by commas', names('--scopes'))
    .option('--resources <uris>', 'narrow it to these resource indicators', uris('--resources'))
    .option('--authorization-details <json>', 'narrow it further: JSON, @file or @-')
    .addHelpText(
      'after',
      examples(
        'curl -H "Authorization: Bearer $(valetkey connect token github/mybot)" https://api.github.com/installation/repositories',
        'valetkey connect token slack/mybot --json',
      ),
    )
    .action(act(token))
}

async function token(context: Context, connector: string, options: TokenOptions): Promise<void> {
  const { shell, output } = context
  const subject = subjectOf(options)
  const details = options.authorizationDetails
  const params: TokenParams = {
    subject,
    ...(options.installationId === undefined ? {} : { installationId: options.installationId }),
    ...(options.scopes === undefined ? {} : { scopes: options.scopes }),
    ...(options.resources === undefined ? {} : { resources: options.resources }),
    ...(details === undefined
      ? {}
      : { authorizationDetails: await readDetails(shell, '--authorization-details', details) }),
  }
  const workload = await findWorkload(shell)
  if (workload.notice !== undefined) output.warn(workload.notice)
  const { url, identityToken } = workload
  const answer = await asWorkload(shell, (sdk) =>
    sdk
      .createClient({ url })
      .getTokenResponse(connector, params, identityToken === undefined ? {} : { identityToken }),
  )
  if (answer.standing === true)
    output.warn(
      `this credential stays valid after ${instant(answer.expiresAt)}: the provider knows no expiry for it`,
    )
  output.result(answer, () => answer.token)
  if (!output.json && shell.stderr.isTTY === true)
    output.progress(
      `${cell(answer.connector.uid)} for ${subject.type}, until ${instant(answer.expiresAt)}, scopes ${cell(answer.granted?.scopes)}, held to it by ${cell(answer.enforcedBy)}.`,
    )
}

function subjectOf(options: TokenOptions): Subject {
  const { subject, userId, issuer } = options
  if (issuer === '') throw misuse('--issuer must not be empty')
  if (subject === 'app') {
    if (userId !== undefined) throw misuse('--user-id needs --subject user')
    if (issuer !== undefined) throw misuse('--issuer needs --subject user and --user-id')
    return { type: 'app' }
  }
  if (userId === undefined || userId === '')
    throw misuse('--subject user needs --user-id: which user is meant')
  return { type: 'user', id: userId, ...(issuer === undefined ? {} : { issuer }) }
}
