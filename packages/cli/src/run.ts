import { CommanderError } from 'commander'
import { asFailure, type Failure, misuse } from './failure.ts'
import { createOutput, type Output } from './output/output.ts'
import { createProgram } from './program.ts'
import type { Shell } from './shell.ts'
import { version } from './version.ts'

/** Runs one command and returns its exit status: 0 done, 1 refused or failed, 2 not understood. Never throws. */
export async function run(shell: Shell): Promise<number> {
  const output = createOutput(shell, asksForJson(shell.argv))
  const code = await execute(shell, output)
  await output.flush()
  return code
}

async function execute(shell: Shell, output: Output): Promise<number> {
  let exitCode = 0
  let shown = ''
  const program = createProgram({
    shell,
    output,
    finish: (code) => {
      exitCode = code
    },
    show: (text) => {
      shown += text
    },
  })
  try {
    await program.parseAsync(shell.argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      showRequested(output, error.code, shown)
      return 0
    }
    const failure = error instanceof CommanderError ? misunderstood(error, shown) : asFailure(error)
    output.failure(failure)
    return failure.exitCode
  }
}

/** Read before parsing, so that a command line which can't be parsed is refused in JSON too. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end === -1 ? argv.length : end).includes('--json')
}

function showRequested(output: Output, code: string, text: string): void {
  if (code === 'commander.version') output.result({ version }, () => version)
  else output.result({ help: text }, () => text.trimEnd())
}

/** Commander quotes what was typed; a secret typed in the wrong place must not come back in the answer. */
function misunderstood(error: CommanderError, shown: string): Failure {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n')
  const suggestion = rest.join(' ').trim()
  const hint = suggestion === '' ? 'Run the command with --help to see what it takes.' : suggestion
  switch (error.code) {
    case 'commander.help':
      return misuse('A command is missing', shown.trimEnd())
    case 'commander.unknownOption':
      return misuse(
        `Unknown option ${/'(--[A-Za-z][A-Za-z-]{0,40}|-[A-Za-z])/.exec(first)?.[1] ?? ''}`.trim(),
        hint,
      )
    case 'commander.unknownCommand':
      return misuse(`Unknown command ${/'([a-z][a-z-]{0,20})'/.exec(first)?.[1] ?? ''}`.trim(), hint)
    case 'commander.missingArgument':
    case 'commander.optionMissingArgument':
    case 'commander.missingMandatoryOptionValue':
    case 'commander.excessArguments':
    case 'commander.conflictingOption':
      return misuse(`${first.charAt(0).toUpperCase()}${first.slice(1)}`, hint)
    default:
      return misuse('The command line was not understood', hint)
  }
}
