import { defineConfig } from 'vitest/config'

// No `import` condition: vitest hands these to Node, whose `require` inside CommonJS packages would get ES modules.
const conditions = ['@valetkey/source', 'node']

function project(name: string, include: string[], testTimeout: number, isolate: boolean) {
  return {
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      name,
      include,
      exclude: ['**/node_modules/**', '**/dist/**'],
      isolate,
      testTimeout,
      hookTimeout: 60_000,
      environment: 'node' as const,
      restoreMocks: true,
      // Temporary files in memory; then one migrated database for the run: each broker of a test starts on a copy.
      globalSetup: ['./tooling/test-folder.ts', './tooling/test-database.ts'],
    },
  }
}

/** Files of a worker run in one process, or each in its own. */
const [shared, apart] = [false, true]

export default defineConfig({
  test: {
    // Many tests wait for time or other processes: one worker a core would leave two cores half idle.
    maxWorkers: 3,
    projects: [
      // Those that share a process load our sources once, and leave nothing behind in it.
      project('unit', ['packages/**/src/**/*.test.ts'], 15_000, shared),
      project('conformance', ['conformance/**/*.test.ts'], 30_000, shared),
      project('interop', ['interop/**/*.test.ts'], 60_000, apart),
      project('packed', ['tooling/**/*.test.ts'], 240_000, apart),
      project('runtimes', ['runtimes/**/*.test.ts'], 30_000, apart),
    ],
  },
})
