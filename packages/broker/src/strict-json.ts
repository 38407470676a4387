import { createScanner } from 'jsonc-parser'

/** Tokens of jsonc-parser's scanner; its own names are a `const enum`, which isolated compilation can't read. */
const openBrace = 1
const closeBrace = 2
const openBracket = 3
const closeBracket = 4
const colon = 6
const stringLiteral = 10
const endOfFile = 17

/**
 * Parses a JSON object and refuses one that names a member twice, at any depth: parsers disagree on which one
 * counts, so a token could mean one thing to its signer and another here (RFC 7519 §4).
 *
 * @returns undefined for anything that is not such an object.
 */
export function parseStrictObject(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isRecord(value) && !namesTwice(text) ? value : undefined
}

/** Whether a value is an object other than an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Looks for a repeated name in text that is known to be JSON. A scanner and a stack of our own rather than the
 * recursive visitor: 16 KiB of nested brackets must not end the process.
 */
function namesTwice(text: string): boolean {
  const scanner = createScanner(text, true)
  const open: (Set<string> | undefined)[] = []
  let lastString = ''
  for (let token: number = scanner.scan(); token !== endOfFile; token = scanner.scan()) {
    switch (token) {
      case openBrace:
        open.push(new Set())
        break
      case openBracket:
        open.push(undefined)
        break
      case closeBrace:
      case closeBracket:
        open.pop()
        break
      case stringLiteral:
        // Unescaped: "\u0061ud" repeats "aud".
        lastString = scanner.getTokenValue()
        break
      case colon: {
        const names = open.at(-1)
        if (names?.has(lastString) === true) return true
        names?.add(lastString)
        break
      }
    }
  }
  return false
}
