import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Metafile } from 'esbuild'

const hosts = fileURLToPath(new URL('../hosts', import.meta.url))
const common = { bundle: true, format: 'esm', target: 'es2022', logLevel: 'silent' } as const

/**
 * Puts the suite into a project that has the packages installed: `host.mjs` for Node, Bun and Deno, which find the
 * packages themselves, and `worker.mjs` for workerd, with the packages in it as wrangler bundles them.
 */
export async function buildHosts(project: string): Promise<void> {
  await build({
    ...common,
    platform: 'neutral',
    packages: 'external',
    outdir: project,
    outExtension: { '.js': '.mjs' },
    entryPoints: { host: join(hosts, 'process.ts'), 'worker-source': join(hosts, 'worker.ts') },
  })
  await build({
    ...common,
    absWorkingDir: project,
    entryPoints: ['worker-source.mjs'],
    outfile: 'worker.mjs',
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    // Left to workerd, which has none of them unless it is told to.
    external: ['node:*'],
  })
}

/** Every import, static or lazy, that the suite and the packages make of something else than a file of theirs. */
export async function foreignImports(
  project: string,
  conditions: readonly string[],
): Promise<readonly string[]> {
  const { metafile } = await build({
    ...common,
    absWorkingDir: project,
    entryPoints: ['host.mjs'],
    platform: 'node',
    conditions: [...conditions],
    write: false,
    outdir: 'out',
    metafile: true,
  })
  return importsOf(metafile)
    .filter(({ external }) => external === true)
    .map(({ path }) => path)
}

function importsOf({ inputs }: Metafile): readonly Metafile['inputs'][string]['imports'][number][] {
  return Object.values(inputs).flatMap(({ imports }) => imports)
}
