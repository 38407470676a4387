import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Act, Context } from '../context.ts'
import { examples } from './examples.ts'
import { watchForStop } from './running.ts'

/** Adds `serve`. */
export function addServe(program: Command, act: Act): void {
  program
    .command('serve')
    .description('Run a broker as a server, configured by the environment; logs JSON lines on stdout.')
    .option('--data-dir <folder>', 'where the embedded database is kept without DATABASE_URL', '.valetkey')
    .addHelpText(
      'after',
      examples('DATABASE_URL=… VALETKEY_PUBLIC_URL=https://keys.example.com VALETKEY_KEYS=… valetkey serve'),
    )
    .action(act(serve))
}

async function serve(context: Context, options: { readonly dataDir: string }): Promise<void> {
  const { shell, output } = context
  const watch = watchForStop(shell)
  const host = await shell.loadHost()
  // With --json stdout holds one document, as everywhere; the log then goes to stderr.
  const log = host.createJsonLog(output.json ? 'stderr' : 'stdout')
  const broker = await host.startServer({
    environment: shell.environment,
    dataDir: resolve(shell.folder, options.dataDir),
    log,
  })
  try {
    log('info', 'ready', { url: broker.url })
    if (output.json) output.result({ url: broker.url }, () => '')
    await watch.stopped
    log('info', 'stopping')
  } finally {
    await broker.close()
    watch.end()
  }
}
