import { defineConfig } from 'tsup'
import { library } from '../../tooling/tsup-library.ts'

// The `#!` line comes from the source. Splitting keeps each lazy import lazy.
export default defineConfig(
  library({ entry: ['src/bin.ts'], platform: 'node', target: 'node20', dts: false }),
)
