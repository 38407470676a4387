import { defineConfig } from 'vitest/config'

// No `import` condition: vitest hands these to Node, whose `require` inside CommonJS packages would get ES modules.
const conditions = ['@valetkey/source', 'node']

function project(name: string, include: string[], testTimeout: number, exclude: string[] = []) {
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      name,
      include,
      exclude: ['**/node_modules/**', '**/dist/**', ...exclude],
      testTimeout,
      hookTimeout: 60_000,
      environment: 'node' as const,
      restoreMocks: true,
      // Temporary files in memory; then one migrated database for the run: each broker of a test starts on a copy.
      globalSetup: ['./tooling/test-folder.ts', './tooling/test-database.ts'],
    },
  }
}

export default defineConfig({
  test: {
    // Many tests wait for time or other processes: one worker a core would leave two cores half idle.
    maxWorkers: 3,
    projects: [
      project('unit', ['packages/**/src/**/*.test.ts'], 15_000),
      project('conformance', ['conformance/**/*.test.ts'], 30_000),
      project('interop', ['interop/**/*.test.ts'], 60_000),
      project('packed', ['tooling/**/*.test.ts'], 240_000),
      project('runtimes', ['runtimes/**/*.test.ts'], 30_000),
    ],
  },
})
