import { resolve } from 'node:path'
import type { Command } from 'commander'
import { createdAccessToken } from '../broker-client/answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { misuse } from '../failure.ts'
import { oneOf } from '../input/options.ts'
import { instant } from '../output/text.ts'
import { examples } from './examples.ts'
import { createConsoleLog } from './host-log.ts'

const roles = ['owner', 'manager', 'auditor'] as const

interface TokenOptions {
  readonly role?: (typeof roles)[number]
  readonly project?: string
  readonly environment?: string
  readonly local?: true
  readonly dataDir: string
}

/** Adds `token create`. */
export function addToken(program: Command, act: Act): void {
  program
    .command('token')
    .description('Manage access tokens.')
    .command('create')
    .description('Create an access token, for an operator or for a workload, and print it this once.')
    .option('--role <role>', `for an operator: ${roles.join(', ')}`, oneOf('--role', roles))
    .option('--project <project>', 'for a workload: its project')
    .option('--environment <environment>', 'for a workload: its environment')
    .option('--local', "on the broker's own host, without asking the broker: the first owner")
    .option('--data-dir <folder>', 'where data and keys are kept, with --local', '.valetkey')
    .addHelpText(
      'after',
      examples(
        'valetkey token create --local --role owner',
        'valetkey token create --project shop --environment production',
      ),
    )
    .action(act(create))
}

async function create(context: Context, options: TokenOptions): Promise<void> {
  const request = requestOf(options)
  const created =
    'role' in request && options.local === true
      ? await createLocally(context, request.role, options.dataDir)
      : await createRemotely(context, request)
  context.output.result(created, () => created.token)
  if (context.output.json) return
  const until = typeof created.expiresAt !== 'number' ? '' : ` until ${instant(created.expiresAt)}`
  const whose = 'role' in request ? `role ${request.role}` : `${request.project}, ${request.environment}`
  context.output.progress(`Access token ${created.id} (${whose})${until}. It is not shown again.`)
  context.output.next('keep it in a secret store and give it to programs as VALETKEY_ACCESS_TOKEN.')
}

type TokenSubject =
  | { readonly role: (typeof roles)[number] }
  | { readonly project: string; readonly environment: string }

function requestOf({ role, project, environment, local }: TokenOptions): TokenSubject {
  if (role !== undefined) {
    if (project !== undefined || environment !== undefined)
      throw misuse('--role and --project with --environment exclude each other')
    return { role }
  }
  if (local === true) throw misuse('--local needs --role')
  if (project === undefined || environment === undefined)
    throw misuse('Give --role for an operator, or --project and --environment for a workload')
  return { project, environment }
}

interface Created {
  readonly id: string
  readonly token: string
  readonly expiresAt?: number | null | undefined
}

async function createRemotely(context: Context, body: TokenSubject): Promise<Created> {
  const { client } = await connectToBroker(context)
  return await client.call('POST', '/v1/access-tokens', createdAccessToken, { body })
}

async function createLocally(
  { shell }: Context,
  role: (typeof roles)[number],
  dataDir: string,
): Promise<Created> {
  const host = await shell.loadHost()
  return await host.createLocalAccessToken({
    environment: shell.environment,
    dataDir: resolve(shell.folder, dataDir),
    log: createConsoleLog(shell),
    role,
  })
}
