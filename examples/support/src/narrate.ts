/** One line a step: what happens, and why it matters. */
export function step(what: string, why: string): void {
  console.log(`\n• ${what}\n  ${why}`)
}

/** What was seen. */
export function seen(text: string): void {
  console.log(`    ${text}`)
}

/** Stops the demo when something did not go as told. */
export function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(`Not as expected: ${otherwise}`)
}
