import type { Command } from 'commander'
import { type ImportAnswer, type ImportedToken, importAnswer } from '../broker-client/answers.ts'
import { type BrokerClient, route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker, projectFor } from '../context.ts'
import { misuse } from '../failure.ts'
import { readText } from '../input/values.ts'
import { cell, count, table } from '../output/text.ts'
import { batchesOf } from './connect-import-batches.ts'
import { examples } from './examples.ts'

/** Adds `connect import`. */
export function addImport(connect: Command, act: Act): void {
  connect
    .command('import <connector>')
    .description('Make grants of tokens that another system obtained, in place of consents.')
    .option('--project <project>', 'the project (default: that of the file, else the linked one)')
    .requiredOption('--data <file>', 'the tokens: @file or @-')
    .addHelpText(
      'after',
      `${examples('valetkey connect import slack/mybot --project shop --data @tokens.json')}

The file is a JSON array of tokens, or an object { "project", "tokens" }. Each token has "accessToken", "expiresAt"
(milliseconds since the epoch), "subject", "environment", and may have "refreshToken", "refreshTokenExpiresAt",
"installation", "tenant" and "scopes". A token that is refused does not keep the others out.

Exit status: 0 when all were imported, 1 when some were not.`,
    )
    .action(act(importTokens))
}

const maximumFileBytes = 64 * 1_048_576

async function importTokens(
  context: Context,
  uid: string,
  options: { readonly project?: string; readonly data: string },
): Promise<number> {
  const { tokens, project: own } = await readTokens(context, options.data)
  const project = options.project ?? own ?? (await projectFor(context, undefined))
  const { client } = await connectToBroker(context)
  const answer = await sendAll(context, client, { uid, project, tokens })
  context.output.result(answer, () => summary(uid, answer))
  return answer.imported === answer.accepted ? 0 : 1
}

async function readTokens(
  context: Context,
  value: string,
): Promise<{ readonly tokens: readonly unknown[]; readonly project: string | undefined }> {
  if (!value.startsWith('@'))
    throw misuse(
      "--data takes @file or @-, never the tokens themselves: arguments are visible to other programs and stay in the shell's history",
    )
  const text = await readText(context.shell, '--data', value.slice(1), maximumFileBytes)
  const data = parse(text)
  const whole = Array.isArray(data) ? { tokens: data } : data
  if (typeof whole !== 'object' || whole === null || !('tokens' in whole) || !Array.isArray(whole.tokens))
    throw misuse('--data must be a JSON array of tokens, or an object with "tokens"')
  if (whole.tokens.length === 0) throw misuse('--data holds no tokens')
  const project = 'project' in whole ? whole.project : undefined
  if (project !== undefined && typeof project !== 'string')
    throw misuse('--data: "project" must be the name or id of a project')
  return { tokens: whole.tokens, project }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, and the text holds tokens.
    throw misuse('--data is not valid JSON')
  }
}

/** Sends everything, in as many requests as it takes, and puts the answers together in the order of the file. */
async function sendAll(
  { output }: Context,
  client: BrokerClient,
  input: { readonly uid: string; readonly project: string; readonly tokens: readonly unknown[] },
): Promise<ImportAnswer> {
  const { project, tokens } = input
  const path = route`/v1/connect/token/${input.uid}/import`
  const { batches, tooLarge } = batchesOf(tokens)
  const outcomes: ImportedToken[] = []
  for (const index of tooLarge) outcomes[index] = notSent
  let sent = 0
  for (const batch of batches) {
    const body = { project, tokens: batch.map((index) => tokens[index]) }
    const answer = await client.call('POST', path, importAnswer, { body }).catch((error: unknown) => {
      if (sent > 0)
        output.warn(
          `${count(sent, 'token')} of ${tokens.length} had been sent before this: leave them out when you import the rest`,
        )
      throw error
    })
    batch.forEach((index, position) => {
      outcomes[index] = answer.tokens[position] ?? notAnswered
    })
    sent += batch.length
    if (batches.length > 1) output.progress(`Sent ${sent} of ${count(tokens.length, 'token')}.`)
  }
  const imported = outcomes.filter(({ succeeded }) => succeeded).length
  return { accepted: tokens.length, imported, tokens: outcomes }
}

const notSent: ImportedToken = {
  succeeded: false,
  error: { code: 'too_large', message: 'The token is larger than any request may be: it was not sent' },
}

const notAnswered: ImportedToken = {
  succeeded: false,
  error: { code: 'invalid_response', message: 'The broker did not say what became of it' },
}

function summary(uid: string, { accepted, imported, tokens }: ImportAnswer): string {
  const head = `Imported ${imported} of ${count(accepted, 'token')} into ${cell(uid)}.`
  if (imported === accepted) return head
  const failures = tokens.flatMap(({ succeeded, error }, index) =>
    succeeded ? [] : [[index, error?.code, error?.message]],
  )
  return `${head}\n${table(['INDEX', 'CODE', 'REASON'], failures)}`
}
