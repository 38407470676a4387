import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { requirements } from './requirements.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const files = readdirSync(folder).filter((name) => name.endsWith('.test.ts') && name !== 'coverage.test.ts')

/** The first argument of every `it(…)` and `it.each(…)(…)`: the titles, as they are written. */
function titlesOf(source: string): readonly string[] {
  const titles: string[] = []
  for (const start of source.matchAll(/\bit(?:\.\w+)*\(/g)) {
    let at = start.index + start[0].length
    // `it.each(table)(title`: what is in the first parentheses is the table.
    if (start[0].endsWith('.each(')) {
      at = closing(source, at) + 1
      if (source[at] !== '(') continue
      at += 1
    }
    const title = /^\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)/.exec(source.slice(at))
    const text = title?.[1] ?? title?.[2] ?? title?.[3]
    if (text !== undefined) titles.push(text)
  }
  return titles
}

/** The place of the parenthesis that closes the one before `from`, strings, comments and patterns aside. */
function closing(source: string, from: number): number {
  let depth = 1
  const part =
    /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/(?![*/\s])(?:[^/\\\n]|\\.)+\/[a-z]*|[()]/g
  part.lastIndex = from
  for (let match = part.exec(source); match !== null; match = part.exec(source)) {
    if (match[0] === '(') depth += 1
    if (match[0] === ')') depth -= 1
    if (depth === 0) return match.index
  }
  return source.length
}

const titles = files.flatMap((file) =>
  titlesOf(readFileSync(`${folder}/${file}`, 'utf8')).map((title) => ({ file, title })),
)
const ids = requirements.map((requirement) => requirement.id)

describe('the list of requirements', () => {
  it('names each once, with a sentence and what it rests on', () => {
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual([...ids].sort())
    for (const { id, title, spec } of requirements) {
      expect(id).toMatch(/^S\d\d$/)
      expect(title).toMatch(/^[A-Z].{30,}\.$/)
      expect(spec).toMatch(/^(?:https:\/\/|DESIGN §\d$|docs\/[a-z-]+\.md$)/)
    }
    expect(new Set(requirements.map((requirement) => requirement.title)).size).toBe(ids.length)
  })

  it.each(ids)('%s is named in the title of a test', (id) => {
    expect(titles.filter(({ title }) => title.startsWith(`${id} `)).length).toBeGreaterThan(0)
  })

  it('no test is named by an id that is not on the list, or by none', () => {
    expect(titles.length).toBeGreaterThan(100)
    const strange = titles.filter(({ title }) => {
      const named = title.match(/\bS\d\d\b/g) ?? []
      return named.length === 0 || named.some((id) => !ids.includes(id))
    })
    expect(strange).toEqual([])
  })
})
