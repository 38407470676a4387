import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Act, Context } from '../context.ts'
import { count, table } from '../output/text.ts'
import { examples } from './examples.ts'
import { createConsoleLog } from './host-log.ts'

/** Adds `keys rotate`. */
export function addKeys(program: Command, act: Act): void {
  program
    .command('keys')
    .description('Manage the keys that encrypt secrets at rest.')
    .command('rotate')
    .description('Encrypt every stored secret under the newest key (the first of VALETKEY_KEYS).')
    .option('--data-dir <folder>', 'where data and keys are kept', '.valetkey')
    .addHelpText('after', examples('VALETKEY_KEYS=new:…,old:… valetkey keys rotate'))
    .action(act(rotate))
}

async function rotate({ shell, output }: Context, options: { readonly dataDir: string }): Promise<void> {
  const host = await shell.loadHost()
  const done = await host.rotateHostKeys({
    environment: shell.environment,
    dataDir: resolve(shell.folder, options.dataDir),
    log: createConsoleLog(shell),
    onProgress: ({ table: name, rewrapped }) =>
      output.progress(`${name}: ${count(rewrapped, 'secret')} rewrapped`),
  })
  output.result(
    done,
    () =>
      `Secrets are now encrypted under key ${done.keyId}.\n${table(['TABLE', 'REWRAPPED'], Object.entries(done.rewrapped))}`,
  )
  if (!done.complete)
    output.warn(
      'some secrets changed meanwhile and are still under an older key: run it again before you remove one',
    )
  else output.next('once every replica runs with the new key ring, take the old key out of VALETKEY_KEYS.')
}
