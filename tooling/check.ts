// `npm run check`: what must hold besides the tests. Runs everything, then says what failed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publishedPackages } from './published-packages.ts'

const failures: string[] = []

function step(name: string, command: string, args: readonly string[], cwd = '.'): void {
  console.error(`> ${name}`)
  const result = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (result.status === 0) return
  failures.push(name)
  console.error(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`)
}

step('lint and format', 'biome', ['ci', '.', '--error-on-warnings', '--colors=off'])
step('types', 'turbo', ['run', 'typecheck', '--output-logs', 'errors-only', '--log-prefix', 'none'])
step('types of tooling', 'tsc', ['-p', 'tooling/tsconfig.json'])
step('generated files', 'node', ['--conditions=@valetkey/source', 'tooling/generate.ts', '--check'])

const tarballs = mkdtempSync(join(tmpdir(), 'valetkey-packed-'))
for (const { directory, hasExports } of publishedPackages) {
  const before = new Set(readdirSync(tarballs))
  step(`pack ${directory}`, 'pnpm', ['pack', '--pack-destination', tarballs], directory)
  const tarball = readdirSync(tarballs).find((file) => !before.has(file))
  if (tarball === undefined) continue
  step(`publint ${directory}`, 'publint', ['run', join(tarballs, tarball), '--strict'])
  if (hasExports) step(`attw ${directory}`, 'attw', [join(tarballs, tarball), '--profile', 'esm-only'])
}
rmSync(tarballs, { recursive: true, force: true })

if (failures.length > 0) {
  console.error(`\nFailed: ${failures.join(', ')}`)
  process.exit(1)
}
console.error('\nAll checks passed.')
