import { failed, misuse } from '../failure.ts'
import type { Output } from '../output/output.ts'
import { printable } from '../output/text.ts'
import type { Shell } from '../shell.ts'

/**
 * Returns once a removal is confirmed: by `--yes`, or by `y` on a terminal.
 *
 * Without a terminal, and with `--json`, nothing is asked: a program must say `--yes`.
 *
 * @throws {Failure} exit 2 when nobody can be asked, exit 1 when the answer is no.
 */
export async function confirmRemoval(
  shell: Pick<Shell, 'stdin' | 'stderr'>,
  output: Output,
  yes: boolean,
  what: string,
): Promise<void> {
  if (yes) return
  if (output.json || shell.stdin.isTTY !== true || shell.stderr.isTTY !== true)
    throw misuse(`Removing ${what} cannot be undone: add --yes to do it without being asked`)
  shell.stderr.write(`Remove ${printable(what)}? This cannot be undone. [y/N] `)
  if (!/^y(es)?$/i.test(await firstLine(shell.stdin))) throw failed('aborted', 'Nothing was removed')
}

async function firstLine(stdin: Shell['stdin']): Promise<string> {
  let text = ''
  for await (const chunk of stdin) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    if (text.includes('\n') || text.length > 100) break
  }
  return (text.split('\n')[0] ?? '').trim()
}
