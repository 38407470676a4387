import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publishedPackages } from '../published-packages.ts'
import { succeed } from './run.ts'

/** A package as it would go to the registry. */
export interface Tarball {
  readonly path: string
  /** Paths inside the package. */
  readonly files: readonly string[]
  readonly manifest: Manifest
  readonly isAdapter: boolean
}

/** What tests read of a packed `package.json`. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly engines: { readonly node: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, unknown>>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const ownPnpm = join(root, '.pnpm-home', 'bin', 'pnpm')
const pnpm = existsSync(ownPnpm) ? ownPnpm : 'pnpm'

/** Packs every published package, as built, into a folder. */
export function packAll(folder: string): Promise<readonly Tarball[]> {
  return pack(
    folder,
    publishedPackages.map(({ directory }) => directory),
  )
}

/** Packs the published packages in these directories, as built, into a folder. */
export async function pack(folder: string, directories: readonly string[]): Promise<readonly Tarball[]> {
  const tarballs: Tarball[] = []
  for (const { directory, isAdapter } of publishedPackages) {
    if (!directories.includes(directory)) continue
    const cwd = join(root, directory)
    if (!existsSync(join(cwd, 'dist')))
      throw new Error(`${directory} is not built: run \`npm run setup\` first`)
    const destination = join(folder, directory)
    await mkdir(destination, { recursive: true })
    const packed = await succeed(pnpm, ['pack', '--json', '--pack-destination', destination], {
      cwd,
      env: process.env,
    })
    tarballs.push({ ...(await readTarball(pathIn(packed))), isAdapter })
  }
  return tarballs
}

function pathIn(packed: string): string {
  const report = JSON.parse(packed) as { filename: string } | readonly { filename: string }[]
  const [first] = 'filename' in report ? [report] : report
  if (first === undefined) throw new Error('pnpm pack named no file')
  return first.filename
}

async function readTarball(path: string): Promise<Omit<Tarball, 'isAdapter'>> {
  const options = { cwd: root, env: process.env }
  const files = (await succeed('tar', ['-tzf', path], options)).trim().split('\n')
  const manifest = JSON.parse(
    await succeed('tar', ['-xzOf', path, 'package/package.json'], options),
  ) as Manifest
  return { path, files: files.map((file) => file.replace(/^package\//, '')), manifest }
}
