import { describe, expect, it } from 'vitest'
import { misuse } from '../failure.ts'
import { createTestShell } from '../testing/shell.ts'
import { createOutput } from './output.ts'
import { table } from './text.ts'

describe('createOutput', () => {
  it('prints one JSON document and nothing else on stdout', () => {
    const shell = createTestShell([])
    const output = createOutput(shell, true)
    output.result({ a: 1 }, () => 'text')
    output.next('do this')
    output.progress('busy')
    output.failure(misuse('too late for a second document'))
    expect(shell.written.stdout).toBe('{"a":1}\n')
    expect(shell.written.stderr).toContain('busy')
    expect(shell.written.stderr).not.toContain('do this')
  })

  it('prints the wire body for a failure', () => {
    const shell = createTestShell([])
    createOutput(shell, true).failure(misuse('Not so'))
    expect(JSON.parse(shell.written.stdout)).toEqual({
      error: { code: 'invalid_request', message: 'Not so', requestId: '' },
    })
  })

  it('colours a terminal only, and not with NO_COLOR', () => {
    const terminal = createOutput(createTestShell([], { terminal: true }), false)
    const piped = createOutput(createTestShell([]), false)
    const plain = createOutput(createTestShell([], { terminal: true, environment: { NO_COLOR: '1' } }), false)
    expect(terminal.paint('good', 'x')).not.toBe('x')
    expect(piped.paint('good', 'x')).toBe('x')
    expect(plain.paint('good', 'x')).toBe('x')
  })

  it('shows what would drive the terminal instead of sending it', () => {
    const shell = createTestShell([], { terminal: true })
    const output = createOutput(shell, false)
    output.result({}, () => `name \u001b]0;title\u0007 \u001b[2J\u202e ${output.paint('good', 'fine')}`)
    expect(shell.written.stdout).toBe('name \uFFFD]0;title\uFFFD \uFFFD[2J\uFFFD \u001b[32mfine\u001b[0m\n')
  })
})

describe('table', () => {
  it('keeps a cell on its line and its row', () => {
    expect(
      table(
        ['A', 'B'],
        [
          ['x\ny', null],
          ['long one', ['p', 'q']],
        ],
      ),
    ).toBe('A         B\nx\uFFFDy       -\nlong one  p, q')
  })
})
