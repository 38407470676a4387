import type { Command } from 'commander'
import { removed, trustRule, trustRules } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { claimsOf, collect, given, wholeNumber } from '../input/options.ts'
import { cell, table } from '../output/text.ts'
import { examples } from './examples.ts'

interface TrustOptions {
  readonly environment: string
  readonly issuer: string
  readonly claim: readonly string[]
  readonly audience?: string
  readonly maxAgeSeconds?: number
}

/** Adds `project trust`. */
export function addTrust(project: Command, act: Act): void {
  const group = project.command('trust').description('Manage which identities are a project.')
  group
    .command('add <project>')
    .description('Trust identities of an issuer to be this project in one environment.')
    .requiredOption('--environment <environment>', 'the environment they get')
    .requiredOption('--issuer <url>', 'the exact `iss` of their identity tokens')
    .requiredOption(
      '--claim <name=value>',
      'a claim they must carry; * stands for anything but / and :; repeat a name for "any of"',
      collect,
    )
    .option('--audience <audience>', "the `aud` they must carry (default: the broker's public URL)")
    .option(
      '--max-age-seconds <number>',
      'the longest life an identity may have',
      wholeNumber('--max-age-seconds', { minimum: 1 }),
    )
    .addHelpText(
      'after',
      examples(
        'valetkey project trust add shop --environment production --issuer https://token.actions.githubusercontent.com --claim repository_id=123 --claim ref=refs/heads/main',
      ),
    )
    .action(act(add))
  group
    .command('list <project>')
    .description("List a project's trust rules.")
    .addHelpText('after', examples('valetkey project trust list shop'))
    .action(act(list))
  group
    .command('remove <project> <rule>')
    .description('Remove a trust rule.')
    .addHelpText('after', examples('valetkey project trust remove shop tru_…'))
    .action(act(remove))
}

async function add(context: Context, project: string, options: TrustOptions): Promise<void> {
  const claims = claimsOf(options.claim)
  const { client } = await connectToBroker(context)
  const rule = await client.call('POST', route`/v1/projects/${project}/trust`, trustRule, {
    body: given({
      environment: options.environment,
      issuer: options.issuer,
      claims,
      audience: options.audience,
      maxAgeSeconds: options.maxAgeSeconds,
    }),
  })
  context.output.result(
    rule,
    () =>
      `Identities of ${cell(rule.issuer)} with ${claimText(rule.claims)} are now ${cell(project)} in ${cell(rule.environment)} (rule ${cell(rule.id)}, audience ${cell(rule.audience)}).`,
  )
  context.output.next(
    `check one with \`valetkey project explain ${cell(project)} --token @identity.jwt\`, then give it a connector with \`valetkey connect attach\`.`,
  )
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
              claimText(rule.claims),
            ]),
          )
    return found.developmentIdentities === true
      ? `${rules}\nDevelopment identities (env pull) are accepted too.`
      : rules
  })
}

async function remove(context: Context, project: string, rule: string): Promise<void> {
  const { client } = await connectToBroker(context)
  const answer = await client.call('DELETE', route`/v1/projects/${project}/trust/${rule}`, removed)
  context.output.result(answer, () => `Removed trust rule ${cell(rule)} of ${cell(project)}.`)
}

function claimText(claims: Readonly<Record<string, unknown>>): string {
  return Object.entries(claims)
    .map(([name, value]) => `${cell(name)}=${Array.isArray(value) ? value.map(cell).join('|') : cell(value)}`)
    .join(' ')
}
