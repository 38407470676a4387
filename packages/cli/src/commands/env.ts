import { join } from 'node:path'
import type { Command } from 'commander'
import { developmentIdentity } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker, projectFor } from '../context.ts'
import { updateEnvironmentFile } from '../env-file/write.ts'
import { instant } from '../output/text.ts'
import { examples } from './examples.ts'

interface PullOptions {
  readonly project?: string
  readonly environment: string
}

/** Adds `env pull`. */
export function addEnv(program: Command, act: Act): void {
  program
    .command('env')
    .description('Give a laptop the identity of a workload.')
    .command('pull')
    .description('Write VALETKEY_URL and a 12-hour VALETKEY_ID_TOKEN into .env.local.')
    .option('--project <project>', 'the project (default: the linked one)')
    .requiredOption('--environment <environment>', 'the environment; a server gives only development')
    .addHelpText('after', examples('valetkey env pull --project shop --environment development'))
    .action(act(pull))
}

async function pull(context: Context, options: PullOptions): Promise<void> {
  const { shell, output } = context
  const project = await projectFor(context, options.project)
  const { client, broker } = await connectToBroker(context)
  const identity = await client.call(
    'POST',
    route`/v1/projects/${project}/development-identities`,
    developmentIdentity,
    { body: { environment: options.environment } },
  )
  const file = join(shell.folder, '.env.local')
  await updateEnvironmentFile(file, { VALETKEY_URL: broker.url, VALETKEY_ID_TOKEN: identity.token })
  const { expiresAt, environment } = identity
  output.result(
    { file, project, environment, expiresAt, variables: ['VALETKEY_URL', 'VALETKEY_ID_TOKEN'] },
    () =>
      `Wrote VALETKEY_URL and VALETKEY_ID_TOKEN (${project}, ${environment}, until ${instant(expiresAt)}) to .env.local.`,
  )
  output.next('`node --env-file=.env.local app.js`, or `valetkey connect token CONNECTOR` in this folder.')
}
