import { globSync } from 'node:fs'
import type { Options } from 'tsup'

/** The build every published package shares: ESM and declarations, one file an entry, chunks where imports are lazy. */
export function library(options: Options = {}): Options {
  return {
    entry: ['src/index.ts'],
    format: ['esm'],
    target: 'es2022',
    platform: 'neutral',
    dts: true,
    clean: true,
    splitting: true,
    sourcemap: false,
    ...options,
  }
}

/**
 * The build of a package whose users' bundlers must be able to leave parts out: one file a module, as in `src`.
 *
 * Chunks are coarser than modules. A module that an eager function shares with a lazily loaded one would end up in a
 * chunk that is loaded at once, with everything else in it.
 */
export function moduleByModule(entry: Readonly<Record<string, string>>): Options {
  const modules = globSync('src/**/*.ts').filter(
    (path) => !/\.test(-d)?\.ts$|test-support|\/test-[\w-]+\.ts$/.test(path),
  )
  return {
    ...library({ entry: modules }),
    splitting: false,
    dts: { entry },
    esbuildOptions(options) {
      options.outbase = 'src'
    },
    esbuildPlugins: [
      {
        name: 'modules-stay-apart',
        setup(build) {
          build.onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, ({ kind, path }) =>
            kind === 'entry-point' ? undefined : { path: path.replace(/\.ts$/, '.js'), external: true },
          )
        },
      },
    ],
  }
}
