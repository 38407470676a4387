import type { Command } from 'commander'
import type { Act, Context } from '../context.ts'
import { checkBroker } from '../doctor/check-broker.ts'
import { checkFiles } from '../doctor/check-files.ts'
import { checkIdentity } from '../doctor/check-identity.ts'
import { checkNode } from '../doctor/check-machine.ts'
import type { Finding } from '../doctor/finding.ts'
import type { Tone } from '../output/output.ts'
import { cell } from '../output/text.ts'
import { examples } from './examples.ts'

const tones: Readonly<Record<Finding['status'], Tone>> = { ok: 'good', warn: 'doubtful', fail: 'bad' }

/** Adds `doctor`. */
export function addDoctor(program: Command, act: Act): void {
  program
    .command('doctor')
    .description('Check this machine, the broker and the identity, and say what to do about each fault.')
    .addHelpText('after', `${examples('valetkey doctor')}\n\nExit status: 1 when a check fails.`)
    .action(act(doctor))
}

async function doctor({ shell, output }: Context): Promise<number> {
  const checks: readonly Finding[] = [
    checkNode(shell.nodeVersion),
    ...(await checkBroker(shell)),
    ...(await checkIdentity(shell)),
    ...(await checkFiles(shell)),
  ]
  const healthy = !checks.some(({ status }) => status === 'fail')
  output.result({ healthy, checks }, () =>
    checks
      .flatMap(({ name, status, message, next }) => [
        `${output.paint(tones[status], status.padEnd(4))}  ${name}: ${cell(message)}`,
        ...(next === undefined || next === '' ? [] : [`      ${cell(next)}`]),
      ])
      .join('\n'),
  )
  return healthy ? 0 : 1
}
