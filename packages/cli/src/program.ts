import { Command } from 'commander'
import { addAudit } from './commands/audit.ts'
import { addConnect } from './commands/connect.ts'
import { addDev } from './commands/dev.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEnv } from './commands/env.ts'
import { addKeys } from './commands/keys.ts'
import { addLink } from './commands/link.ts'
import { addMigrate } from './commands/migrate.ts'
import { addProject } from './commands/project.ts'
import { addServe } from './commands/serve.ts'
import { addToken } from './commands/token.ts'
import { addWhoami } from './commands/whoami.ts'
import type { Act } from './context.ts'
import type { Output } from './output/output.ts'
import type { Shell } from './shell.ts'
import { version } from './version.ts'

/** What {@link createProgram} is made of. */
export interface ProgramParts {
  readonly shell: Shell
  readonly output: Output
  /** Receives the exit status of the command that ran. */
  finish(code: number): void
  /** Receives help and version texts. */
  show(text: string): void
}

const examples = `
Examples:
  $ valetkey dev                                            run a broker on this machine
  $ valetkey project create shop
  $ valetkey connect create api-key --name weather --data @weather.json
  $ valetkey connect attach api-key/weather --project shop -e development
  $ valetkey env pull --project shop --environment development
  $ valetkey connect token api-key/weather

Exit status: 0 done, 1 refused or failed, 2 not understood.`

/** Creates the whole command. Nothing is read, written or started before one of its commands runs. */
export function createProgram(parts: ProgramParts): Command {
  const { shell, output } = parts
  const program = new Command('valetkey')
    .description('Hand your agent the valet key: run, configure and inspect an issuing point.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .option('--json', 'print exactly one JSON document on stdout, errors too')
    .option('--yes', 'do it without being asked')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: parts.show, writeErr: parts.show, outputError: () => {} })
    .exitOverride()
    .addHelpText('after', examples)

  const act: Act =
    (handler) =>
    async (...given) => {
      const yes = program.opts<{ yes?: true }>().yes === true
      parts.finish((await handler({ shell, output, yes }, ...given)) ?? 0)
    }
  for (const add of [
    addDev,
    addServe,
    addMigrate,
    addKeys,
    addLink,
    addEnv,
    addProject,
    addConnect,
    addToken,
    addAudit,
    addDoctor,
    addWhoami,
  ])
    add(program, act)
  return program
}
