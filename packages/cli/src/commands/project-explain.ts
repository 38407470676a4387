import type { Command } from 'commander'
import { route } from '../broker-client/client.ts'
import { explanation } from '../broker-client/trust-answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { misuse } from '../failure.ts'
import { readObject, readSecret } from '../input/values.ts'
import { cell, table } from '../output/text.ts'
import { examples } from './examples.ts'

interface ExplainOptions {
  readonly token?: string
  readonly claims?: string
}

/** Adds `project explain`. */
export function addExplain(project: Command, act: Act): void {
  project
    .command('explain <project>')
    .description('Say, rule by rule, why an identity is or is not this project.')
    .option('--token <@file|@->', 'an identity token')
    .option('--claims <json>', 'the claims of one: JSON, @file or @-')
    .addHelpText(
      'after',
      examples(
        'valetkey project explain shop --token @identity.jwt',
        'valetkey project explain shop --claims \'{"iss":"https://issuer.example","sub":"build"}\'',
      ),
    )
    .action(act(explain))
}

async function explain(context: Context, project: string, options: ExplainOptions): Promise<void> {
  const body = await readQuestion(context, options)
  const { client } = await connectToBroker(context)
  const found = await client.call('POST', route`/v1/projects/${project}/explain`, explanation, { body })
  context.output.result(found, () => {
    const rules =
      found.rules.length === 0
        ? 'The project has no trust rules.'
        : table(
            ['RULE', 'MATCHED', 'REASON'],
            found.rules.map((rule) => [rule.id, rule.matched ? 'yes' : 'no', rule.reason]),
          )
    const verdict = found.allowed
      ? context.output.paint('good', 'Admitted.')
      : context.output.paint('bad', 'Not admitted.')
    const { token, reason } = found
    const why = typeof reason === 'string' ? ` ${cell(reason)}.` : ''
    const refused =
      token?.accepted === false ? ` The token itself is not accepted: ${cell(token.reason)}.` : ''
    return `${verdict}${why}${refused}\n${rules}`
  })
}

async function readQuestion(
  { shell }: Context,
  options: ExplainOptions,
): Promise<{ readonly token: string } | { readonly claims: Readonly<Record<string, unknown>> }> {
  const { token, claims } = options
  if ((token === undefined) === (claims === undefined))
    throw misuse('Give either --token or --claims: exactly one of them')
  if (token !== undefined) return { token: await readSecret(shell, '--token', token) }
  return { claims: await readObject(shell, '--claims', claims ?? '') }
}
