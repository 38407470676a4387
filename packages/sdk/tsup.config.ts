import { defineConfig } from 'tsup'
import { library } from '../../tooling/tsup-library.ts'

export default defineConfig(library({ entry: { index: 'src/index.ts', webhooks: 'src/webhooks/index.ts' } }))
