import { resolve } from 'node:path'
import type { Command } from 'commander'
import {
  type DevelopmentFile,
  removeDevelopmentFile,
  writeDevelopmentFile,
} from '../broker-client/development-file.ts'
import { createDataFolder } from '../broker-client/private-file.ts'
import type { Act, Context } from '../context.ts'
import { failed, systemCode } from '../failure.ts'
import { wholeNumber } from '../input/options.ts'
import { examples } from './examples.ts'
import { createConsoleLog } from './host-log.ts'
import { watchForStop } from './running.ts'

interface DevOptions {
  readonly port: number
  readonly dataDir: string
  readonly ephemeral?: true
}

/** Adds `dev`. */
export function addDev(program: Command, act: Act): void {
  program
    .command('dev')
    .description('Run a broker for development on this machine (127.0.0.1).')
    .option(
      '--port <number>',
      'port to listen on',
      wholeNumber('--port', { minimum: 0, maximum: 65_535 }),
      4570,
    )
    .option('--data-dir <folder>', 'where data and keys are kept', '.valetkey')
    .option('--ephemeral', 'keep data and keys in memory')
    .addHelpText('after', examples('valetkey dev', 'valetkey dev --port 4600 --ephemeral'))
    .action(act(dev))
}

async function dev(context: Context, options: DevOptions): Promise<void> {
  const { shell, output } = context
  const dataDir = resolve(shell.folder, options.dataDir)
  let file: DevelopmentFile | undefined
  const forget = () => {
    if (file !== undefined) removeDevelopmentFile(dataDir, file)
  }
  const watch = watchForStop(shell, forget)
  const host = await shell.loadHost()
  await createDataFolder(dataDir)
  const broker = await host
    .startDevelopmentBroker({
      port: options.port,
      dataDir,
      ephemeral: options.ephemeral === true,
      log: createConsoleLog(shell),
      environment: shell.environment,
    })
    .catch((error: unknown) => {
      throw portFailure(error, options.port)
    })
  try {
    if (broker.accessToken === undefined) throw failed('unavailable', 'The broker started without a token')
    file = { url: broker.url, accessToken: broker.accessToken, pid: shell.pid }
    await writeDevelopmentFile(dataDir, file)
    output.result({ url: broker.url }, () => `ready ${broker.url}`)
    output.next('`valetkey project create NAME` in another terminal, in this folder.')
    await watch.stopped
  } finally {
    // First of all: no command should find a broker that is stopping.
    forget()
    await broker.close()
    watch.end()
  }
}

function portFailure(error: unknown, port: number): unknown {
  if (systemCode(error) !== 'EADDRINUSE') return error
  return failed('unavailable', `Port ${port} is in use: choose another with --port`)
}
