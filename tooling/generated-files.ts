import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errorsDocument } from './errors-document.ts'
import { withSnippets } from './snippets.ts'

export interface GeneratedFile {
  readonly path: string
  readonly content: string
}

/** Everything that is written by a script: `docs/errors.md`, and the code blocks of Markdown files. */
export async function generatedFiles(): Promise<readonly GeneratedFile[]> {
  const markdown = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => path !== '' && path !== 'docs/errors.md')
  const documents = markdown.map((path) => {
    const read = (source: string) => readFileSync(join(dirname(path), source), 'utf8')
    return { path, content: withSnippets(readFileSync(path, 'utf8'), read, path) }
  })
  return [{ path: 'docs/errors.md', content: errorsDocument() }, ...documents]
}
