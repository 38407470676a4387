import type { ErrorBody, ErrorCode } from '@valetkey/protocol'

/** Exit status of a command: 1, it was refused or failed; 2, it was not understood. */
export type FailureExitCode = 1 | 2

/** What every command throws when it can't do its job. The message is one sentence that carries no secret. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: string
  readonly exitCode: FailureExitCode
  /** Of the request that was refused; empty when nothing was asked. */
  readonly requestId: string
  /** What to do about it, where the message does not say so already. */
  readonly next: string | undefined

  constructor(
    code: string,
    message: string,
    details: {
      readonly exitCode?: FailureExitCode
      readonly requestId?: string
      readonly next?: string | undefined
    } = {},
  ) {
    super(message)
    this.code = code
    this.exitCode = details.exitCode ?? 1
    this.requestId = details.requestId ?? ''
    this.next = details.next
  }
}

/** A {@link Failure} of this side, with one of the protocol's codes. */
export function failed(code: ErrorCode, message: string, next?: string): Failure {
  return new Failure(code, message, { next })
}

/** A {@link Failure} for a command line that makes no sense: exit 2. */
export function misuse(message: string, next?: string): Failure {
  return new Failure('invalid_request', message, { exitCode: 2, next })
}

/** The wire body that `--json` prints for a failure. */
export function errorBody(failure: Failure): ErrorBody {
  return { error: { code: failure.code, message: failure.message, requestId: failure.requestId } }
}

/** Turns whatever was thrown into a {@link Failure}; text of unknown origin is not repeated. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  const host = asHostFailure(error)
  if (host !== undefined) return host
  const name = error instanceof Error ? error.name : typeof error
  const code = systemCode(error)
  // The message of an unexpected error may hold anything, a token too: only its kind and place are told.
  return new Failure('unavailable', `The command failed unexpectedly (${code ?? name})`, {
    next: placeOf(error),
  })
}

function placeOf(error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const frames = stack.split('\n').filter((line) => /^ {4}at /.test(line))
  return frames.length === 0
    ? undefined
    : frames
        .slice(0, 4)
        .map((line) => line.trim())
        .join(', ')
}

/** The `code` of a system error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' && /^[A-Z][A-Z0-9_]{1,40}$/.test(error.code) ? error.code : undefined
}

/** By name and not by class: the class lives in a module that most commands never load. */
function asHostFailure(error: unknown): Failure | undefined {
  if (!(error instanceof Error) || error.name !== 'HostError' || !('kind' in error)) return undefined
  return error.kind === 'misuse' ? misuse(error.message) : new Failure('unavailable', error.message)
}
