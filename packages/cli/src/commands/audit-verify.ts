import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { type AuditVerdict, auditVerdict } from '../broker-client/answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { Failure, misuse, systemCode } from '../failure.ts'
import { readText } from '../input/values.ts'
import { cell, count } from '../output/text.ts'
import { examples } from './examples.ts'

/** With what retention dropped, which an older broker does not tell. */
type Verdict = AuditVerdict & { readonly dropped?: unknown }

interface VerifyOptions {
  readonly file?: string
  readonly checkpoint?: string
}

// A log or a whole export may be given: checkpoints are found among its lines.
const checkpointLimitBytes = 256 * 1_048_576

/** Adds `audit verify`. */
export function addAuditVerify(audit: Command, act: Act): void {
  audit
    .command('verify')
    .description('Check that no event of the audit trail was changed, removed or swapped.')
    .option('--file <export>', 'check an export, offline, instead of the broker')
    .option('--checkpoint <file>', 'signed checkpoints kept elsewhere: they prove that the end was not cut')
    .addHelpText(
      'after',
      examples('valetkey audit verify', 'valetkey audit verify --file audit.jsonl --checkpoint heads.txt') +
        '\n\nExit status: 0 while the trail is valid, proven tail or not; 1 otherwise.',
    )
    .action(act(verify))
}

async function verify(context: Context, options: VerifyOptions): Promise<number> {
  const { shell, output } = context
  const given = options.checkpoint
  const text =
    given === undefined ? undefined : await readText(shell, '--checkpoint', given, checkpointLimitBytes)
  const checkpoints = text === undefined ? [] : (await shell.loadAudit()).readCheckpoints(text)
  if (text !== undefined && checkpoints.length === 0)
    throw misuse('--checkpoint: the file holds no checkpoint')
  const verdict: Verdict =
    options.file === undefined
      ? await verifyThere(context, checkpoints)
      : await verifyHere(context, resolve(shell.folder, options.file), checkpoints)
  output.result(verdict, () => verdictText(verdict, output.paint))
  if (verdict.valid && verdict.tail !== 'proven')
    output.warn('the end of the trail is unproven: --checkpoint with a checkpoint kept elsewhere proves it')
  if (
    verdict.valid &&
    options.file !== undefined &&
    verdict.dropped !== undefined &&
    checkpoints.length === 0
  )
    output.warn('without --checkpoint only the file itself says that it was the broker who dropped events')
  return verdict.valid ? 0 : 1
}

async function verifyThere(context: Context, checkpoints: readonly string[]): Promise<Verdict> {
  const { client } = await connectToBroker(context)
  return await client.call('POST', '/v1/audit/verify', auditVerdict, { body: { checkpoints } })
}

async function verifyHere(
  { shell }: Context,
  file: string,
  checkpoints: readonly string[],
): Promise<Verdict> {
  const { verifyExport } = await shell.loadAudit()
  const input = createReadStream(file, 'utf8')
  try {
    return { problem: undefined, ...(await verifyExport(linesOf(input), { checkpoints })) }
  } catch (error) {
    if (systemCode(error) !== undefined)
      throw misuse(`--file: the export cannot be read (${systemCode(error)})`)
    // By name: the class lives in a module that is loaded only here. Its message quotes nothing of the file.
    if (error instanceof Error && error.name === 'ExportMalformed')
      throw new Failure('invalid_request', error.message)
    throw error
  } finally {
    input.destroy()
  }
}

/** `readline` alone would never end when the file can't be opened: errors of its input are not its own. */
async function* linesOf(input: ReturnType<typeof createReadStream>): AsyncGenerator<string> {
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  let fault: unknown
  input.once('error', (error) => {
    fault = error
    lines.close()
  })
  for await (const line of lines) yield line
  if (fault !== undefined) throw fault
}

function verdictText(verdict: Verdict, paint: Context['output']['paint']): string {
  const events = count(verdict.events, 'event')
  const { dropped } = verdict
  const earlier =
    typeof dropped === 'number' && dropped > 0
      ? `; ${count(dropped, 'older event')} ${dropped === 1 ? 'was' : 'were'} dropped under a signed anchor`
      : ''
  return verdict.valid
    ? `${paint('good', 'Valid')}: ${events}, tail ${cell(verdict.tail)}${earlier}.`
    : `${paint('bad', 'Not valid')}: ${cell(verdict.problem)} (${events} read).`
}
