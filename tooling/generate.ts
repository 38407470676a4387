// Writes every generated file, or with --check fails when one differs from what it would write.
import { readFileSync, writeFileSync } from 'node:fs'
import { generatedFiles } from './generated-files.ts'

const check = process.argv.includes('--check')
const stale: string[] = []
for (const { path, content } of await generatedFiles()) {
  let current: string | undefined
  try {
    current = readFileSync(path, 'utf8')
  } catch {
    current = undefined
  }
  if (current === content) continue
  stale.push(path)
  if (!check) writeFileSync(path, content)
}
if (check && stale.length > 0) {
  console.error(`Stale: ${stale.join(', ')}. Run \`npm run generate\` and commit the result.`)
  process.exit(1)
}
console.error(stale.length === 0 ? 'generated files are up to date' : `wrote ${stale.join(', ')}`)
