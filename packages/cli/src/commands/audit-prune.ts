import type { Command } from 'commander'
import { type Check, nullable, number, object, text } from '../broker-client/check.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { misuse } from '../failure.ts'
import { confirmRemoval } from '../input/confirm.ts'
import { time } from '../input/options.ts'
import { count, instant } from '../output/text.ts'
import { examples } from './examples.ts'

interface PruneOptions {
  readonly before?: number
  /** Days. */
  readonly olderThan?: number
}

interface Pruned {
  readonly dropped: number
  readonly chains: number
  readonly anchor: string | null
}

const pruned: Check<Pruned> = object<Pruned>({ dropped: number, chains: number, anchor: nullable(text) })

const dayMs = 86_400_000

/** Adds `audit prune`. */
export function addAuditPrune(audit: Command, act: Act): void {
  audit
    .command('prune')
    .description('Drop old audit events for good; what is left still verifies.')
    .option('--before <time>', 'drop events from before this time', time('--before'))
    .option('--older-than <days>', 'drop events older than so many days, such as 90d', days)
    .addHelpText(
      'after',
      examples('valetkey audit prune --older-than 90d', 'valetkey audit prune --before 2026-01-01 --yes') +
        '\n\nKept are the last event of each process that ever wrote, and what no signed checkpoint covers yet.' +
        '\nOf a trail that is not valid nothing is dropped. Export it first: `valetkey audit export`.',
    )
    .action(act(prune))
}

async function prune(context: Context, options: PruneOptions): Promise<void> {
  const { shell, output } = context
  const before = limitOf(options, shell.now())
  const { client } = await connectToBroker(context)
  await confirmRemoval(shell, output, context.yes, `audit events from before ${instant(before)}`)
  const answer = await client.call('POST', '/v1/audit/retention', pruned, { body: { before } })
  output.result(answer, () =>
    answer.dropped === 0
      ? 'There was nothing to drop.'
      : `Dropped ${count(answer.dropped, 'event')} from before ${instant(before)}.`,
  )
  if (answer.dropped > 0) output.next('`valetkey audit verify` checks what is left.')
}

function limitOf({ before, olderThan }: PruneOptions, nowMs: number): number {
  if ((before === undefined) === (olderThan === undefined))
    throw misuse('Say what to drop: either --before or --older-than')
  return before ?? nowMs - (olderThan ?? 0) * dayMs
}

function days(value: string): number {
  const number = /^([1-9]\d{0,4})d$/.exec(value)?.[1]
  if (number === undefined) throw misuse('--older-than must be a number of days such as 90d')
  return Number(number)
}
