import { causesOf } from './causes.ts'

/**
 * True when a model, a page or a log that was given `value` would see one of `secrets`: in its text or JSON, or in an
 * error's message, stack or causes.
 */
export function holdsSecret(value: unknown, secrets: ReadonlySet<string>): boolean {
  if (secrets.size === 0) return false
  const texts = causesOf(value).flatMap((each) =>
    each instanceof Error ? [each.message, each.stack ?? '', textOf({ ...each })] : [textOf(each)],
  )
  // As JSON writes it too: there a quote or a backslash stands behind another one.
  const written = [...secrets].flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
  return written.some((secret) => texts.some((text) => text.includes(secret)))
}

/** In place of an output or an error that held a secret: whoever wrote `execute` has to see that it failed. */
export function withheld(what: 'output' | 'error'): Error {
  return new Error(`The tool's ${what} held a credential and is withheld`)
}

function textOf(value: unknown): string {
  const seen = new WeakSet()
  const text = JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint') return String(each)
    if (typeof each !== 'object' || each === null) return each
    // Bytes: no token in them is text, and as JSON they are huge.
    if (seen.has(each) || ArrayBuffer.isView(each)) return undefined
    seen.add(each)
    return each
  })
  return text ?? ''
}
