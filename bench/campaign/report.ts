import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Of this repository's formatter. */
const lineWidth = 110
const folder = fileURLToPath(new URL('../../docs/reports/', import.meta.url))

/** What a campaign found, and whether its promises held. */
export interface CampaignReport {
  readonly name: string
  readonly held: boolean
  /** The body of the page, without its title. */
  readonly text: string
  /** What it was started with. */
  readonly options: Readonly<Record<string, number>>
  /** Everything that was measured, a row for each measurement. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

/** The machine, for a page: nothing of it says whose it is. */
export function machineFacts(): string {
  const [cpu] = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const day = new Date().toISOString().slice(0, 10)
  return `${cpus().length} × ${cpu?.model.trim()}, ${memory}, Node ${process.version}, ${day}`
}

/** Writes `docs/reports/campaign-<name>.md` and `.json`. */
export function writeReport(report: CampaignReport): void {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `campaign-${report.name}`)
  writeFileSync(`${path}.md`, `# Campaign: ${report.name}\n\n${report.text}\n`)
  writeFileSync(`${path}.json`, asJson(report))
}

/** A row a line, as the formatter has it: hundreds of rows stay readable, and what a later run changes too. */
function asJson({ held, options, columns, rows }: CampaignReport): string {
  const members = Object.entries({ held, ...options }).map(([name, value]) => `  "${name}": ${value}`)
  members.push(`  "columns": ${list(columns, '  ', '"columns": '.length)}`)
  members.push(`  "rows": [\n${rows.map((row) => `    ${list(row, '    ', 0)}`).join(',\n')}\n  ]`)
  return `{\n${members.join(',\n')}\n}\n`
}

function list(values: readonly unknown[], indent: string, before: number): string {
  const items = values.map((value) => JSON.stringify(value))
  const line = `[${items.join(', ')}]`
  // A comma may follow.
  if (indent.length + before + line.length < lineWidth) return line
  return `[\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}]`
}

/** A table of Markdown. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
