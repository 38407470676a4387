import type { Command } from 'commander'
import { type AuditRecord, auditPage } from '../broker-client/answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { time, wholeNumber } from '../input/options.ts'
import { cell, instant, table } from '../output/text.ts'
import { addAuditExport } from './audit-export.ts'
import { addAuditPrune } from './audit-prune.ts'
import { addAuditVerify } from './audit-verify.ts'
import { examples } from './examples.ts'

interface ListOptions {
  readonly limit?: number
  readonly next?: string
  readonly project?: string
  readonly connector?: string
  readonly kind?: string
  readonly since?: number
  readonly until?: number
}

/** Adds `audit` and what is beneath it. */
export function addAudit(program: Command, act: Act): void {
  const group = program.command('audit').description('Read, verify, export and prune the audit trail.')
  group
    .command('list')
    .description('List audit events, newest first.')
    .option('--limit <number>', 'how many', wholeNumber('--limit', { minimum: 1 }))
    .option('--next <cursor>', 'continue after an earlier page')
    .option('--project <project>', 'those of this project')
    .option('--connector <connector>', 'those of this connector')
    .option('--kind <kind>', 'those of this kind, such as token_issued')
    .option('--since <time>', 'from this time on', time('--since'))
    .option('--until <time>', 'up to this time', time('--until'))
    .addHelpText('after', examples('valetkey audit list --project shop --since 2026-11-21T00:00:00Z'))
    .action(act(list))
  addAuditVerify(group, act)
  addAuditExport(group, act)
  addAuditPrune(group, act)
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const { client } = await connectToBroker(context)
  const { next, ...filters } = options
  const page = await client.call('GET', '/v1/audit/events', auditPage, {
    query: { ...filters, cursor: next },
  })
  context.output.result(page, () =>
    page.events.length === 0
      ? 'There are no such events.'
      : table(['SEQ', 'AT', 'KIND', 'CODE', 'WHO', 'WHAT'], page.events.map(eventRow)),
  )
  if (page.cursor !== null) context.output.next(`\`valetkey audit list --next ${cell(page.cursor)}\`.`)
}

function eventRow(event: AuditRecord): readonly unknown[] {
  const what = [event.action, event.connectorUid, event.environment, event.requestId].filter(
    (part) => typeof part === 'string',
  )
  return [event.seq, instant(event.at), event.kind, event.code, actorText(event.actor), what.join(' ')]
}

function actorText(actor: unknown): unknown {
  if (typeof actor !== 'object' || actor === null) return actor
  const { type, role, subject, projectId, accessTokenId } = actor as Readonly<Record<string, unknown>>
  return [type, role, subject ?? projectId, accessTokenId]
    .filter((part) => typeof part === 'string')
    .join(' ')
}
