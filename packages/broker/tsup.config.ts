import { createRequire } from 'node:module'
import { defineConfig } from 'tsup'
import { writeEmptyDatabase } from '../../tooling/empty-database.ts'
import { library } from '../../tooling/tsup-library.ts'

export default defineConfig(
  library({
    platform: 'node',
    entry: { index: 'src/index.ts', host: 'src/host/index.ts', audit: 'src/audit/index.ts' },
    onSuccess: () =>
      writeEmptyDatabase(
        createRequire(import.meta.url).resolve('@electric-sql/pglite'),
        'dist/empty-database.tar.gz',
      ),
  }),
)
