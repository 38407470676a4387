import type { SubjectType } from '@valetkey/protocol'
import type { Command } from 'commander'
import { attachments, removed } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker, projectFor } from '../context.ts'
import { misuse } from '../failure.ts'
import { collect, given, names, oneOf, uris, wholeNumber } from '../input/options.ts'
import { readDetails } from '../input/values.ts'
import { cell } from '../output/text.ts'
import { examples } from './examples.ts'

interface AttachOptions {
  readonly project?: string
  readonly environment: readonly string[]
  readonly subjects?: readonly string[]
  readonly scopes?: readonly string[]
  readonly resources?: readonly string[]
  readonly authorizationDetails?: string
  readonly maxTtlSeconds?: number
  readonly userNamespace?: string
  readonly redirectUri?: readonly string[]
  readonly fullAccess?: true
  readonly dangerouslyBindOnConsent?: true
}

const subjectTypes: readonly SubjectType[] = ['app', 'user', 'jwt-bearer', 'token']

/** Adds `connect attach` and `connect detach`. */
export function addAttach(connect: Command, act: Act): void {
  connect
    .command('attach <connector>')
    .description('Let a project use a connector in some environments, up to a ceiling.')
    .option('--project <project>', 'the project (default: the linked one)')
    .requiredOption(
      '-e, --environment <environment>',
      'an environment; may be repeated',
      names('--environment'),
    )
    .option('--subjects <types>', `on whose behalf it may ask: ${subjectTypes.join(',')}`, subjects)
    .option('--scopes <scopes>', 'the most it may ask for, separated by commas', names('--scopes'))
    .option('--resources <uris>', 'resource indicators it may ask for', uris('--resources'))
    .option('--authorization-details <json>', 'authorization details it may ask for: JSON, @file or @-')
    .option(
      '--max-ttl-seconds <number>',
      'the longest life of its tokens',
      wholeNumber('--max-ttl-seconds', { minimum: 1 }),
    )
    .option(
      '--user-namespace <name>',
      'share grants with the other attachments of this connector that name it',
    )
    .option(
      '--redirect-uri <uri>',
      'where the sign-in gateway may send browsers back to, exactly; may be repeated',
      collect,
    )
    .option('--full-access', 'allow everything the connector can do, where that must be said')
    .option(
      '--dangerously-bind-on-consent',
      'let consent alone make a grant usable, for clients that cannot complete it',
    )
    .addHelpText(
      'after',
      examples(
        'valetkey connect attach slack/mybot --project shop -e development -e preview',
        'valetkey connect attach github/mybot --project shop -e production --authorization-details @repositories.json',
        'valetkey connect attach google/mail --project shop -e production --subjects user --user-namespace customers',
      ) +
        '\n\nAttaching an environment again sets everything about it anew: an option that is left out is taken away,\nexcept --user-namespace, which stays until the environment is detached.',
    )
    .action(act(attach))
  connect
    .command('detach <connector>')
    .description('Take a connector away from a project, in all or some environments.')
    .option('--project <project>', 'the project (default: the linked one)')
    .option('-e, --environment <environment>', 'an environment; may be repeated', names('--environment'))
    .addHelpText('after', examples('valetkey connect detach slack/mybot --project shop -e preview'))
    .action(act(detach))
}

function subjects(value: string, previous?: readonly string[]): readonly string[] {
  return names('--subjects')(value, previous).map(oneOf('--subjects', subjectTypes))
}

async function attach(context: Context, uid: string, options: AttachOptions): Promise<void> {
  const details = options.authorizationDetails
  if (options.fullAccess === true && (details !== undefined || options.scopes !== undefined))
    throw misuse('--full-access and a ceiling of --scopes or --authorization-details exclude each other')
  const authorizationDetails =
    details === undefined ? undefined : await readDetails(context.shell, '--authorization-details', details)
  const project = await projectFor(context, options.project)
  const { client } = await connectToBroker(context)
  const answer = await client.call(
    'POST',
    route`/v1/connect/connectors/${uid}/projects/${project}`,
    attachments,
    {
      body: given({
        environments: options.environment,
        // Environments that are not named here keep what they have; `detach` takes away.
        merge: true,
        subjects: options.subjects,
        scopes: options.scopes,
        resources: options.resources,
        authorizationDetails,
        maxTtlSeconds: options.maxTtlSeconds,
        userNamespace: options.userNamespace,
        redirectUris: options.redirectUri,
        fullAccess: options.fullAccess,
        dangerouslyBindOnConsent: options.dangerouslyBindOnConsent,
      }),
    },
  )
  for (const warning of answer.warnings ?? []) context.output.warn(warning)
  context.output.result(
    answer,
    () =>
      `Attached ${cell(answer.uid)} to ${cell(answer.project.name)}: ${cell(answer.enabledEnvironments)}.`,
  )
  context.output.next(
    `\`getToken('${cell(answer.uid)}', { subject: { type: 'app' } })\` in the app, or here \`valetkey env pull --project ${cell(answer.project.name)} --environment development\` and \`valetkey connect token ${cell(answer.uid)}\`.`,
  )
}

async function detach(
  context: Context,
  uid: string,
  options: { readonly project?: string; readonly environment?: readonly string[] },
): Promise<void> {
  const project = await projectFor(context, options.project)
  const { client } = await connectToBroker(context)
  const path = route`/v1/connect/connectors/${uid}/projects/${project}`
  const answer = await client.call('DELETE', path, removed, { query: { environment: options.environment } })
  const where = options.environment === undefined ? 'all environments' : cell(options.environment)
  context.output.result(answer, () => `Detached ${cell(answer.uid ?? uid)} from ${cell(project)}: ${where}.`)
}
