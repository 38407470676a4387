import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** A runtime that comes from the registry. */
export interface FoundRuntime {
  readonly name: 'node' | 'bun' | 'deno' | 'workerd'
  readonly version: string
  /** Name and version. */
  readonly title: string
  readonly binary: string
  /** Why it is skipped here; undefined where it runs. */
  readonly missing: string | undefined
}

const require = createRequire(import.meta.url)
const here = `${process.platform}-${process.arch}`

/**
 * The runtimes that the SDK is for, each in the exact version that `package.json` names. One that the registry has no
 * binary of for this machine says so.
 *
 * With `VALETKEY_REQUIRE_RUNTIMES=1` it throws instead.
 */
export function findRuntimes(): readonly FoundRuntime[] {
  const { bun, deno, miniflare } = pinned
  const nodes = Object.keys(pinned).filter((alias) => alias.startsWith('node-'))
  return [
    ...nodes.map((alias) => found('node', pinned[alias], () => nodeBinary(alias))),
    found('bun', bun, () => beside('bun', [`@oven/bun-${bunPlatform()}`], join('bin', 'bun'))),
    found('deno', deno, () => beside('deno', [`@deno/${here}-glibc`, `@deno/${here}`], 'deno')),
    // Of the day that miniflare names, unless it is there to ask.
    found('workerd', workerdVersion() ?? miniflare, workerdBinary),
  ]
}

const pinned = pinnedVersions()

function pinnedVersions(): Readonly<Record<string, string>> {
  const manifest = readManifest(new URL('../package.json', import.meta.url))
  const all = Object.entries({ ...manifest.devDependencies, ...manifest.optionalDependencies })
  // An alias is `npm:name@version`.
  return Object.fromEntries(all.map(([name, range]) => [name, range.slice(range.lastIndexOf('@') + 1)]))
}

function found(
  name: FoundRuntime['name'],
  version = 'of no known version',
  binaryOf: () => string,
): FoundRuntime {
  const title = `${name} ${version}`
  const path = orUndefined(binaryOf)
  const binary = path !== undefined && existsSync(path) ? path : undefined
  if (binary === undefined && process.env.VALETKEY_REQUIRE_RUNTIMES === '1')
    throw new Error(`${title} is required, and the registry's packages hold no binary for ${here}`)
  const missing = binary === undefined ? `the registry’s packages hold no binary for ${here}` : undefined
  return { name, version, title, binary: binary ?? '', missing }
}

function nodeBinary(alias: string): string {
  if (here !== 'linux-x64') throw new Error('It is another platform’s')
  return join(dirname(require.resolve(`${alias}/package.json`)), 'bin', 'node')
}

// The packages' own commands download or link a binary when they are installed: it is there already, beside them.
function beside(name: string, packages: readonly string[], path: string): string {
  const own = createRequire(require.resolve(`${name}/package.json`))
  const [manifest] = packages.flatMap(
    (candidate) => orUndefined(() => own.resolve(`${candidate}/package.json`)) ?? [],
  )
  if (manifest === undefined) throw new Error('It is another platform’s')
  return join(dirname(manifest), path)
}

function bunPlatform(): string {
  return process.arch === 'arm64' ? `${process.platform}-aarch64` : here
}

function workerdVersion(): string | undefined {
  return orUndefined(() => readManifest(requireOfMiniflare().resolve('workerd/package.json')).version)
}

function workerdBinary(): string {
  return (requireOfMiniflare()('workerd') as { readonly default: string }).default
}

function requireOfMiniflare(): NodeJS.Require {
  return createRequire(require.resolve('miniflare'))
}

function orUndefined<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

interface Manifest {
  readonly version: string
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

function readManifest(path: string | URL): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest
}
