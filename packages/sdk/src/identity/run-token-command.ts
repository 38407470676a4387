import { ConnectError, identityUnavailable } from '../errors/connect-error.ts'
import { maxCredentialLength } from './check-credential.ts'
import { concatenate } from './concatenate.ts'
import type { ObtainIdentity } from './identity-source.ts'
import { nodeBuiltin } from './node-builtin.ts'

/**
 * An OIDC ID token that the command in `VALETKEY_ID_TOKEN_COMMAND` prints. Run again for every exchange, by the
 * platform's shell: the variable is configuration of the operator, like the command line of the process itself.
 */
export const obtainFromCommand: ObtainIdentity = (lines, { signal }) =>
  runTokenCommand({ shell: lines.join('\n') }, 'The command in VALETKEY_ID_TOKEN_COMMAND', signal)

/** What to run: a line for the shell, or a program with its arguments and no shell. */
export type TokenCommand =
  | { readonly shell: string }
  | { readonly program: string; readonly args: readonly string[] }

/**
 * What a command prints, trimmed. Ended, with all it started, when the call gives up or the output grows too large.
 *
 * Messages carry the exit code and never the output: tools print tokens to both streams.
 *
 * @param name what messages call it.
 */
export function runTokenCommand(command: TokenCommand, name: string, signal: AbortSignal): Promise<string> {
  const { spawn } = nodeBuiltin('node:child_process', name)
  return new Promise<string>((resolve, reject) => {
    const posix = process.platform !== 'win32'
    // A group of its own: killing the shell alone would leave what it started running.
    const [program, args] = 'shell' in command ? [command.shell, []] : [command.program, command.args]
    const child = spawn(program, args, {
      shell: 'shell' in command,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: posix,
      windowsHide: true,
    })
    const chunks: Uint8Array[] = []
    let length = 0
    const kill = (): void => {
      try {
        if (posix && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
        else child.kill()
      } catch {
        // It has ended by itself in the meantime.
      }
    }
    const finish = (why: string | undefined): void => {
      signal.removeEventListener('abort', onAbort)
      if (why === undefined) resolve(new TextDecoder().decode(concatenate(chunks)).trim())
      else reject(identityUnavailable(`${name} ${why}`))
    }
    const onAbort = (): void => {
      kill()
      finish('did not end in time')
    }
    child.stdout.on('data', (chunk: Uint8Array) => {
      length += chunk.byteLength
      if (length <= maxCredentialLength) chunks.push(chunk)
      else {
        kill()
        finish(`printed more than ${maxCredentialLength} bytes`)
      }
    })
    child.on('error', () => finish('could not be started'))
    child.on('close', (code, ending) => {
      if (code !== 0) finish(code === null ? `was ended by ${ending}` : `failed with exit code ${code}`)
      else if (length === 0) finish('printed nothing')
      else finish(undefined)
    })
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  }).catch((error: unknown) => {
    // Where programs may not be started at all, some runtimes throw instead of telling the child's listeners.
    throw error instanceof ConnectError ? error : identityUnavailable(`${name} could not be started`)
  })
}
