import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Act, Context } from '../context.ts'
import { count } from '../output/text.ts'
import { examples } from './examples.ts'
import { createConsoleLog } from './host-log.ts'

/** Adds `migrate`. */
export function addMigrate(program: Command, act: Act): void {
  program
    .command('migrate')
    .description("Bring the database up to this version's schema.")
    .option('--data-dir <folder>', 'where the embedded database is kept without DATABASE_URL', '.valetkey')
    .addHelpText('after', examples('DATABASE_URL=postgres://… valetkey migrate'))
    .action(act(migrate))
}

async function migrate({ shell, output }: Context, options: { readonly dataDir: string }): Promise<void> {
  const host = await shell.loadHost()
  const done = await host.migrateDatabase({
    environment: shell.environment,
    dataDir: resolve(shell.folder, options.dataDir),
    log: createConsoleLog(shell),
  })
  output.result(done, () =>
    done.applied.length === 0
      ? 'The database is up to date.'
      : `Applied ${count(done.applied.length, 'migration')}: ${done.applied.join(', ')}.`,
  )
  output.next('`valetkey serve`.')
}
