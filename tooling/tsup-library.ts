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
