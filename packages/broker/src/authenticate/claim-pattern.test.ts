import { describe, expect, it } from 'vitest'
import { hasControlCharacter, matchesEverything, matchesPattern } from './claim-pattern.ts'

/** The definition, `*` = `[^/:]*`, written the way the source must not be: as a regular expression. */
function matchesByDefinition(pattern: string, value: string): boolean {
  if (!pattern.includes('*')) return pattern === value
  if (hasControlCharacter(value)) return false
  const literals = pattern.split('*').map((literal) => literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  return new RegExp(`^(?:${literals.join('[^/:]*')})$`).test(value)
}

describe('matchesPattern', () => {
  it.each([
    ['main', 'main'],
    ['main|dev', 'main|dev'],
    ['a.c', 'a.c'],
    ['^main$', '^main$'],
    ['refs/heads/*', 'refs/heads/main'],
    ['refs/heads/*', 'refs/heads/'],
    ['release-*', 'release-1.2'],
    ['repo:octo/app:ref:refs/tags/v*', 'repo:octo/app:ref:refs/tags/v1'],
    ['a*b*c', 'a-b-b-c'],
    ['**', 'abc'],
    ['*a*a', 'aaa'],
  ])('S09 %j admits %j', (pattern, value) => {
    expect(matchesPattern(pattern, value)).toBe(true)
  })

  it.each([
    ['main', 'main-x'],
    ['main', 'x-main'],
    ['main', 'main\n'],
    ['main', '\nmain'],
    ['main', 'Main'],
    ['main', 'MAIN'],
    ['main', ''],
    ['main', 'main '],
    ['main', 'ma\u200bin'],
    ['main', 'mаin'], // Cyrillic
    ['main|dev', 'main'],
    ['main|dev', 'dev'],
    ['a.c', 'abc'],
    ['.*', 'anything'],
    ['refs/heads/*', 'refs/heads/feature/x'],
    ['refs/heads/*', 'refs/heads/main:x'],
    ['refs/heads/*', 'refs/heads/main\n'],
    ['refs/heads/*', 'refs/heads/\u2028main'],
    ['refs/heads/*', 'refs/heads/\u0000'],
    ['refs/heads/*', 'xrefs/heads/main'],
    ['ab*ba', 'aba'],
    ['a*b*c', 'a-c-b'],
    ['*/*', 'a'],
    ['repo:octo/app:*', 'repo:octo/app:ref:refs/heads/main'],
    ['repo:octo/*', 'repo:octo/app/evil'],
  ])('S09 %j never admits %j', (pattern, value) => {
    expect(matchesPattern(pattern, value)).toBe(false)
  })

  it('S09 agrees with its definition on ten thousand generated pairs', () => {
    let seed = 20_260_730
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      return seed % below
    }
    const text = (alphabet: string, most: number) =>
      Array.from({ length: random(most + 1) }, () => alphabet[random(alphabet.length)]).join('')
    let matched = 0
    for (let round = 0; round < 10_000; round += 1) {
      const pattern = text('ab*/:*|.', 7)
      // Half of the values are made from the pattern, so that many match.
      const value = round % 2 === 0 ? text('ab/:|.\n', 7) : pattern.replaceAll('*', () => text('ab', 2))
      const expected = matchesByDefinition(pattern, value)
      if (expected) matched += 1
      expect(matchesPattern(pattern, value), `${JSON.stringify(pattern)} ${JSON.stringify(value)}`).toBe(
        expected,
      )
    }
    expect(matched).toBeGreaterThan(3_000)
  })

  it('S09 takes no exponential time on a hostile pattern and value', () => {
    const started = performance.now()
    for (let round = 0; round < 100; round += 1) {
      expect(matchesPattern(`${'*a'.repeat(500)}b`, 'a'.repeat(16_000))).toBe(false)
    }
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

describe('matchesEverything', () => {
  it.each(['*', '**', '*/*', '*:*', '/', ':', ''])('S08 %j says nothing', (pattern) => {
    expect(matchesEverything(pattern)).toBe(true)
  })

  it.each(['a*', '*-', 'refs/heads/*'])('%j says something', (pattern) => {
    expect(matchesEverything(pattern)).toBe(false)
  })
})
