import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type OutputFile } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'

let files: OutputFile[]
let atOnce: string[]

/** What an application that imports `getToken` loads at once: the entry, and what it imports statically. */
beforeAll(async () => {
  const result = await build({
    stdin: {
      contents: "import { getToken } from './index.ts'\nglobalThis.getToken = getToken",
      resolveDir: dirname(fileURLToPath(import.meta.url)),
      sourcefile: 'entry.js',
    },
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'neutral',
    format: 'esm',
    conditions: ['@valetkey/source'],
    outdir: '/out',
    write: false,
  })
  files = result.outputFiles
  atOnce = staticallyReachable('stdin.js', new Set())
})

function staticallyReachable(name: string, reached: Set<string>): string[] {
  const text = files.find((file) => file.path.endsWith(name))?.text
  if (text === undefined || reached.has(name)) return []
  reached.add(name)
  const imported = [...text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)].map((match) => match[1] ?? '')
  return [text, ...imported.flatMap((next) => staticallyReachable(next, reached))]
}

describe('an application that imports getToken', () => {
  it('loads at most 8 KiB at once, gzipped', () => {
    const bytes = atOnce.reduce((sum, text) => sum + gzipSync(text).length, 0)
    expect(bytes).toBeGreaterThan(1000)
    expect(bytes).toBeLessThanOrEqual(8192)
  })

  it('carries no Node import anywhere, and neither jose nor openid-client', () => {
    for (const { text } of files) expect(text).not.toMatch(/(from|import|import\()\s*["']node:/)
    for (const text of atOnce) expect(text).not.toMatch(/node:|jose|openid-client|exclude each other/)
  })

  it('loads what reads files and runs commands only when it is needed', () => {
    for (const text of atOnce) expect(text).not.toMatch(/child_process|SIGKILL/)
    expect(files.filter((file) => /"node:child_process"/.test(file.text))).toHaveLength(1)
    expect(files.filter((file) => /"node:fs"/.test(file.text))).toHaveLength(1)
  })
})
