import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const folder = new URL('../examples/', import.meta.url)

it('has no snippet that is not a compiled example, and every example', () => {
  const snippets = [...readme.matchAll(/<!-- examples\/(.+?) -->\n```ts\n(.*?)```/gs)]
  expect(snippets).toHaveLength(readme.split('```ts').length - 1)
  for (const [, name, text] of snippets) expect(text).toBe(readFileSync(new URL(name ?? '', folder), 'utf8'))
  expect(snippets.map(([, name]) => name).sort()).toEqual(readdirSync(folder).sort())
})
