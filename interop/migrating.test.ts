import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ModuleExports, readExports } from './support/module-exports.ts'

const page = readFileSync(new URL('../docs/migrating.md', import.meta.url), 'utf8')

/** A line of a table: theirs, ours, and what changes. */
interface Row {
  readonly theirs: string
  /** `package` and name; undefined where there is nothing to move to. */
  readonly ours: { readonly from: string; readonly name: string } | undefined
  readonly changes: string
}

/** The tables of the page, by the entry point of `@vercel/connect` in the heading above them. */
const tables = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .flatMap((section) => {
      const entry = /^`(@vercel\/connect[\w/-]*)`/.exec(section)?.[1]
      return entry === undefined ? [] : [[entry, rowsOf(section)] as const]
    }),
)

function rowsOf(section: string): readonly Row[] {
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => {
      const [theirs = '', ours = '', changes = ''] = line.split(' | ').map((cell) => cell.trim())
      const [from, name] = [...ours.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
      return [...theirs.matchAll(/`([^`]+)`/g)].map((match) => ({
        theirs: match[1] ?? '',
        ours: from === undefined || name === undefined ? undefined : { from, name },
        changes: `${ours} ${changes}`,
      }))
    })
}

const published = fileURLToPath(new URL('./node_modules/@vercel/connect/', import.meta.url))
const manifest = JSON.parse(readFileSync(`${published}package.json`, 'utf8')) as {
  readonly version: string
  readonly exports: Readonly<Record<string, { readonly types: string }>>
}
const theirFiles = new Map(
  Object.entries(manifest.exports).map(([path, { types }]) => [
    `@vercel/connect${path.slice(1)}`,
    `${published}${types.replace(/^\.\//, '')}`,
  ]),
)
const ourFiles = new Map(
  [
    ['@valetkey/sdk', 'packages/sdk/src/index.ts'],
    ...['mcp', 'ai-sdk', 'tanstack-ai', 'better-auth', 'authjs', 'eve'].map((name) => [
      `@valetkey/${name}`,
      `packages/adapters/${name}/src/index.ts`,
    ]),
  ].map(([name = '', path = '']) => [name, fileURLToPath(new URL(`../${path}`, import.meta.url))]),
)

let read: (file: string) => ModuleExports
beforeAll(() => {
  read = readExports([...theirFiles.values(), ...ourFiles.values()])
}, 60_000)

const exportsOf = (files: ReadonlyMap<string, string>, name: string): ModuleExports => {
  const file = files.get(name)
  if (file === undefined) throw new Error(`There is no ${name}`)
  return read(file)
}

describe('docs/migrating.md', () => {
  it('is about the version that is installed here', () => {
    expect(page).toContain(`\`@vercel/connect\` ${manifest.version}`)
  })

  it('has a table for each entry point of the published package', () => {
    expect([...tables.keys()].sort()).toEqual([...theirFiles.keys()].sort())
  })

  it.each([...theirFiles.keys()])('names every export of %s, and none that is gone', (entry) => {
    const listed = (tables.get(entry) ?? []).map(({ theirs }) => theirs)
    expect([...listed].sort()).toEqual([...exportsOf(theirFiles, entry).names])
  })

  it('points at exports that there are', () => {
    for (const { theirs, ours } of [...tables.values()].flat()) {
      if (ours === undefined) continue
      const names = exportsOf(ourFiles, ours.from).names
      expect(names.includes(ours.name), `${theirs} → ${ours.from} ${ours.name}`).toBe(true)
    }
  })

  it('says of every property of a type that is not there any more', () => {
    for (const [entry, rows] of tables)
      for (const { theirs, ours, changes } of rows) {
        const before = exportsOf(theirFiles, entry).propertiesOf(theirs)
        if (before === undefined || ours === undefined) continue
        const after = exportsOf(ourFiles, ours.from).propertiesOf(ours.name) ?? before
        const gone = before.filter((name) => !after.includes(name) && !changes.includes(`\`${name}\``))
        expect(gone, `${entry} ${theirs}`).toEqual([])
      }
  })

  it('says why where there is nothing to move to', () => {
    for (const { theirs, ours, changes } of [...tables.values()].flat())
      if (ours === undefined) expect(changes.trim().length, theirs).toBeGreaterThan(10)
  })
})
