import type { Command } from 'commander'
import { addressProblem, normalizeAddress } from '../broker-client/address.ts'
import { writeLinkFile } from '../broker-client/link-file.ts'
import type { Act, Context } from '../context.ts'
import { misuse } from '../failure.ts'
import { examples } from './examples.ts'

/** Adds `link`. */
export function addLink(program: Command, act: Act): void {
  program
    .command('link')
    .description('Remember which broker, and perhaps which project, the commands of this folder mean.')
    .requiredOption('--url <url>', "the broker's URL")
    .option('--project <project>', 'the project that later commands mean without --project')
    .addHelpText('after', examples('valetkey link --url https://keys.example.com --project shop'))
    .action(act(link))
}

async function link(
  { shell, output }: Context,
  options: { readonly url: string; readonly project?: string },
): Promise<void> {
  const problem = addressProblem(options.url)
  if (problem !== undefined) throw misuse(`--url ${problem}`)
  const url = normalizeAddress(options.url)
  const { project } = options
  const written = project === undefined ? { url } : { url, project }
  const file = await writeLinkFile(shell.folder, written)
  output.result({ ...written, file }, () =>
    project === undefined
      ? `This folder is linked to ${url}.`
      : `This folder is linked to ${url}, project ${project}.`,
  )
  if (shell.environment.VALETKEY_ACCESS_TOKEN === undefined)
    output.next("set VALETKEY_ACCESS_TOKEN to an operator's token of that broker.")
}
