import type { Command } from 'commander'
import { removed } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { trustPreview, trustRules } from '../broker-client/trust-answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { cell, table } from '../output/text.ts'
import { examples } from './examples.ts'
import { addTrustAdd } from './project-trust-add.ts'
import { previewText } from './project-trust-words.ts'

/** Adds `project trust`. */
export function addTrust(project: Command, act: Act): void {
  const group = project.command('trust').description('Manage which identities are a project.')
  addTrustAdd(group, act)
  group
    .command('list <project>')
    .description("List a project's trust rules.")
    .addHelpText('after', examples('valetkey project trust list shop'))
    .action(act(list))
  group
    .command('remove <project> <rule>')
    .description('Remove a trust rule.')
    .option('--dry-run', 'remove nothing; say which identities seen in the audit would gain or lose access')
    .addHelpText('after', examples('valetkey project trust remove shop trr_… --dry-run'))
    .action(act(remove))
}

async function list(context: Context, project: string): Promise<void> {
  const { client } = await connectToBroker(context)
  const found = await client.call('GET', route`/v1/projects/${project}/trust`, trustRules)
  context.output.result(found, () => {
    const rules =
      found.rules.length === 0
        ? 'There are no trust rules.'
        : table(
            ['RULE', 'ENVIRONMENT', 'ISSUER', 'AUDIENCE', 'CLAIMS'],
            found.rules.map((rule) => [
              rule.id,
              rule.environment,
              rule.issuer,
              rule.audience,
              `${claimText(rule.claims)}${refusedText(rule.refuse)}`,
            ]),
          )
    return found.developmentIdentities === true
      ? `${rules}\nDevelopment identities (env pull) are accepted too.`
      : rules
  })
}

async function remove(
  context: Context,
  project: string,
  rule: string,
  options: { readonly dryRun?: true },
): Promise<void> {
  const { client } = await connectToBroker(context)
  if (options.dryRun === true) {
    const path = route`/v1/projects/${project}/trust/dry-run`
    const preview = await client.call('POST', path, trustPreview, { body: { remove: rule } })
    context.output.result(preview, () => previewText(preview, 'This rule admits, as'))
    return
  }
  const answer = await client.call('DELETE', route`/v1/projects/${project}/trust/${rule}`, removed)
  context.output.result(answer, () => `Removed trust rule ${cell(rule)} of ${cell(project)}.`)
}

function claimText(claims: Readonly<Record<string, unknown>>): string {
  return Object.entries(claims)
    .map(([name, value]) => `${cell(name)}=${Array.isArray(value) ? value.map(cell).join('|') : cell(value)}`)
    .join(' ')
}

function refusedText(refuse: Readonly<Record<string, unknown>> | null | undefined): string {
  const text = claimText(refuse ?? {})
  return text === '' ? '' : ` not ${text}`
}
