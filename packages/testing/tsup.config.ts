import { defineConfig } from 'tsup'
import { library } from '../../tooling/tsup-library.ts'

export default defineConfig(
  library({
    platform: 'node',
    entry: { index: 'src/index.ts', platforms: 'src/platforms/index.ts' },
  }),
)
