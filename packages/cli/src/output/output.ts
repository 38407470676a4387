import { errorBody, type Failure } from '../failure.ts'
import type { OutputStream, Shell } from '../shell.ts'
import { printable } from './text.ts'

/** Colours with a meaning; used only on a terminal. */
export type Tone = 'good' | 'doubtful' | 'bad' | 'quiet'

/** How a command speaks: its result on stdout, everything else on stderr. */
export interface Output {
  /** True when stdout must be exactly one JSON document. */
  readonly json: boolean
  /** Prints the one result: `document` with `--json`, else the text of `human`. */
  result(document: unknown, human: () => string): void
  /** Says what to do next; silent with `--json`. */
  next(text: string): void
  /** Says what is happening, also with `--json`. */
  progress(text: string): void
  warn(text: string): void
  failure(failure: Failure): void
  paint(tone: Tone, text: string): string
  /** Resolves once everything written has left the process. */
  flush(): Promise<void>
}

const escapeCharacter = '\u001b'
const tones: Readonly<Record<Tone, string>> = { good: '32', doubtful: '33', bad: '31', quiet: '2' }

/** Creates the {@link Output} of one run. */
export function createOutput(shell: Pick<Shell, 'stdout' | 'stderr' | 'environment'>, json: boolean): Output {
  const { stdout, stderr, environment } = shell
  // https://no-color.org: set and not empty.
  const plain = environment.NO_COLOR !== undefined && environment.NO_COLOR !== ''
  const coloured = (stream: OutputStream) => stream.isTTY === true && !plain && !json
  const paintOn = (stream: OutputStream, tone: Tone, text: string) =>
    coloured(stream) ? `${escapeCharacter}[${tones[tone]}m${text}${escapeCharacter}[0m` : text
  let printed = false

  return {
    json,
    result(document, human) {
      if (json) {
        // A second document would make stdout unreadable for the program behind it.
        if (printed) return
        stdout.write(`${JSON.stringify(document)}\n`)
      } else {
        const text = human()
        if (text !== '') stdout.write(`${safe(text)}\n`)
      }
      printed = true
    },
    next(text) {
      if (!json) stderr.write(`${paintOn(stderr, 'quiet', safe(`Next: ${text}`))}\n`)
    },
    progress(text) {
      stderr.write(`${safe(text)}\n`)
    },
    warn(text) {
      stderr.write(`${paintOn(stderr, 'doubtful', 'warning:')} ${printable(text)}\n`)
    },
    failure(failure) {
      if (json && !printed) {
        printed = true
        stdout.write(`${JSON.stringify(errorBody(failure))}\n`)
        return
      }
      stderr.write(`${paintOn(stderr, 'bad', 'error:')} ${printable(failure.message)}\n`)
      if (failure.next !== undefined) stderr.write(`  ${safe(failure.next)}\n`)
      if (failure.requestId !== '')
        stderr.write(`  ${printable(failure.code)}, request ${printable(failure.requestId)}\n`)
    },
    paint: (tone, text) => paintOn(stdout, tone, text),
    async flush() {
      await Promise.all([stdout, stderr].map(drained))
    },
  }
}

const ownSequences = new RegExp(`(\\n|${escapeCharacter}\\[(?:0|2|31|32|33)m)`)

/** Names come from a server: whatever could drive the terminal, beyond our own colours and line ends, is replaced. */
function safe(text: string): string {
  return text
    .split(ownSequences)
    .map((part) => (ownSequences.test(part) ? part : printable(part)))
    .join('')
}

function drained(stream: OutputStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
