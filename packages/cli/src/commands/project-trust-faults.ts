import { Failure, misuse } from '../failure.ts'
import { type GivenOptions, type PlatformFlags, textOf } from './project-trust-platforms.ts'

/**
 * Refuses flags that make no rule together, before anybody is asked anything.
 *
 * @throws {Failure} exit 2 naming the flags.
 */
export function checkTogether({ flag }: PlatformFlags, options: GivenOptions): void {
  const has = (name: string) => textOf(options, name) !== undefined
  if (flag === 'github') {
    if (has('ref') !== has('workflow'))
      throw misuse('--ref and --workflow belong together: any workflow can run on a branch')
    if (has('ref') && has('github-environment'))
      throw misuse('--github-environment or --ref with --workflow: one of the two says which jobs')
  }
  if (flag === 'buildkite') {
    if (!['cluster-id', 'queue-id', 'branch'].some(has))
      throw misuse(
        '--buildkite needs --cluster-id, --queue-id or --branch: one must say which environment it is',
      )
    if (has('build-source') && !has('branch')) throw misuse('--build-source needs --branch')
  }
}

/** A refusal that names a template's field, as the misuse of its flag that it is; any other as it came. */
export function inFlags(error: unknown, chosen: PlatformFlags | undefined): unknown {
  if (chosen === undefined || !(error instanceof Failure) || error.code !== 'invalid_request') return error
  const [, field, fault] = /^template\.([A-Za-z]{1,60}): (.*)$/s.exec(error.message) ?? []
  const flag = field === undefined ? undefined : flagFor(field, chosen)
  if (flag === undefined) return error
  const { code, requestId } = error
  return new Failure(code, `${flag}: ${fault}`, {
    exitCode: 2,
    requestId,
    next: '`valetkey project trust add --help` says what it takes.',
  })
}

function flagFor(field: string, { flag, argument, fields, needs, takes }: PlatformFlags): string | undefined {
  const index = fields.indexOf(field)
  // Of an argument with a slash: which half of it.
  if (index !== -1)
    return fields[1] === undefined ? `--${flag}` : `--${flag} (${argument.slice(1, -1).split('/')[index]})`
  if (field === 'acceptFixedAudience') return '--accept-fixed-audience'
  const found = Object.entries({ ...needs, ...takes }).find(([, own]) => own === field)
  return found === undefined ? undefined : `--${found[0]}`
}
