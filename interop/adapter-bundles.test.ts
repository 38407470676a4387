import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { entries } from '../tooling/packed/entries.ts'

/** What each adapter may import when it runs: its own framework where it needs one, and nothing else. */
const frameworks: Readonly<Record<string, readonly string[]>> = {
  mcp: [],
  'ai-sdk': ['ai'],
  'tanstack-ai': [],
  'better-auth': ['better-auth'],
  authjs: ['@auth/core'],
  eve: ['eve'],
}

/** What the code of a framework cannot be without. */
const traces: Readonly<Record<string, RegExp>> = {
  ai: /from\s*["'](ai|@ai-sdk\/[\w-]+)["']|AI_APICallError/,
  mcp: /@modelcontextprotocol\/|notifications\/initialized/,
  tanstack: /@tanstack\//,
  'better-auth': /from\s*["']better-auth|BetterAuthError/,
  'auth.js': /from\s*["']@auth\/core|AuthjsError|next-auth/,
  eve: /from\s*["']eve\b/,
  zod: /from\s*["']zod|ZodError/,
  node: /(?:from|import|require\()\s*\(?["']node:|(?:from|require\()\s*["'](?:fs|path|crypto|child_process|http|url)["']/,
}

const own: Readonly<Record<string, readonly string[]>> = {
  mcp: [],
  'ai-sdk': ['ai'],
  'tanstack-ai': [],
  'better-auth': ['better-auth'],
  authjs: ['auth.js'],
  eve: ['eve'],
}

async function bundle(adapter: string, external: readonly string[]) {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`../packages/adapters/${adapter}/src/index.ts`, import.meta.url))],
    bundle: true,
    minify: true,
    platform: 'neutral',
    format: 'esm',
    conditions: ['@valetkey/source'],
    external: external.flatMap((name) => [name, `${name}/*`]),
    write: false,
    metafile: true,
  })
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  return { text: outputFiles.map((file) => file.text).join('\n'), imported }
}

describe.each(Object.entries(frameworks))('importing @valetkey/%s', (adapter, external) => {
  it('pulls in no other framework and nothing of Node', async () => {
    const { text, imported } = await bundle(adapter, external)
    for (const path of imported) expect(external.some((name) => `${path}/`.startsWith(`${name}/`))).toBe(true)
    const found = Object.keys(traces).filter((name) => traces[name]?.test(text))
    expect(found.filter((name) => !own[adapter]?.includes(name))).toEqual([])
  })

  it('gives exactly the frozen names', async () => {
    const names = Object.keys(await import(`@valetkey/${adapter}`)).sort()
    expect(names).toEqual(entries[`@valetkey/${adapter}`])
  })

  it('asks for the framework and the SDK as peers, and brings neither along', () => {
    const manifest = JSON.parse(
      readFileSync(new URL(`../packages/adapters/${adapter}/package.json`, import.meta.url), 'utf8'),
    )
    expect(Object.keys(manifest.peerDependencies)).toContain('@valetkey/sdk')
    expect(Object.keys(manifest.peerDependencies).length).toBeGreaterThan(1)
    for (const name of Object.keys(manifest.dependencies ?? {})) expect(name).toMatch(/^@valetkey\/mcp$/)
  })
})

it('finds a framework that an adapter would pull in', async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: "import 'node:fs'; export * from 'zod'",
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    minify: true,
    platform: 'neutral',
    format: 'esm',
    external: ['node:fs'],
    write: false,
  })
  const text = outputFiles.map((file) => file.text).join('\n')
  expect(Object.keys(traces).filter((name) => traces[name]?.test(text))).toEqual(['zod', 'node'])
})
