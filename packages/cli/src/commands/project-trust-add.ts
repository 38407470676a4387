import { type Command, Option } from 'commander'
import { route } from '../broker-client/client.ts'
import { addedTrustRule, trustPreview } from '../broker-client/trust-answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { misuse } from '../failure.ts'
import { claimsOf, collect, given, wholeNumber } from '../input/options.ts'
import { cell } from '../output/text.ts'
import { examples } from './examples.ts'
import { checkTogether, inFlags } from './project-trust-faults.ts'
import { isOtherGitHub, lookUpRepository } from './project-trust-github.ts'
import {
  chosenPlatform,
  type GivenOptions,
  type PlatformFlags,
  platformOptions,
  templateOf,
  textOf,
} from './project-trust-platforms.ts'
import { findTwin } from './project-trust-twin.ts'
import { previewText, sentences } from './project-trust-words.ts'

interface AddOptions {
  readonly environment: string
  readonly claim?: readonly string[]
  readonly refuse?: readonly string[]
  readonly audience?: string
  readonly maxAgeSeconds?: number
  readonly dryRun?: true
}

/** Adds `project trust add`. */
export function addTrustAdd(group: Command, act: Act): void {
  const command = group
    .command('add <project>')
    .description('Trust identities of a platform, or of any issuer, to be this project in one environment.')
    .requiredOption('--environment <environment>', 'the environment they get')
    .option('--audience <audience>', "the `aud` they must carry (default: the broker's public URL)")
    .option(
      '--max-age-seconds <number>',
      'the longest life an identity may have',
      wholeNumber('--max-age-seconds', { minimum: 1 }),
    )
    .option('--dry-run', 'store nothing; say which identities seen in the audit would gain or lose access')
  for (const option of platformOptions()) command.addOption(option)
  for (const option of spelledOut()) command.addOption(option)
  command
    .addHelpText(
      'after',
      examples(
        'valetkey project trust add shop --environment production --github acme/shop',
        'valetkey project trust add shop --environment production --github acme/shop --ref refs/heads/main --workflow acme/shop/.github/workflows/deploy.yml@refs/heads/main --dry-run',
        'valetkey project trust add shop --environment production --gitlab acme/shop --project-id 22 --namespace-id 72',
        'valetkey project trust add shop --environment production --issuer https://issuer.example --claim sub=workload-1',
      ),
    )
    .action(act(add))
}

function spelledOut(): readonly Option[] {
  const heading = 'A rule spelled out:'
  return [
    new Option(
      '--issuer <url>',
      'the exact `iss` of their identity tokens (aws, github, kubernetes, spiffe: that of the platform)',
    ),
    new Option(
      '--claim <name=value>',
      'a claim they must carry; * stands for anything but / and :; repeat a name for "any of"',
    ).argParser(collect),
    new Option(
      '--refuse <name=value>',
      'a claim that they must not carry, exactly; may be repeated',
    ).argParser(collect),
  ].map((option) => option.helpGroup(heading))
}

async function add(context: Context, project: string, options: AddOptions & GivenOptions): Promise<void> {
  const chosen = chosenPlatform(options)
  const body = await readRule(context, options, chosen)
  try {
    await (options.dryRun === true ? preview(context, project, body) : store(context, project, body))
  } catch (error) {
    throw inFlags(error, chosen)
  }
}

type RuleBody = Readonly<Record<string, unknown>>

async function preview(context: Context, project: string, body: RuleBody): Promise<void> {
  const { client } = await connectToBroker(context)
  const path = route`/v1/projects/${project}/trust/dry-run`
  const answer = await client.call('POST', path, trustPreview, { body })
  for (const weakness of answer.weaknesses ?? []) context.output.warn(weakness)
  context.output.result(answer, () => previewText(answer, 'This rule would admit, as'))
}

async function store(context: Context, project: string, body: RuleBody): Promise<void> {
  const { client } = await connectToBroker(context)
  const { output } = context
  const twin = await findTwin(client, project, body)
  if (twin !== undefined) output.progress(`Nothing was added: rule ${cell(twin.id)} says the same already.`)
  const rule =
    twin ?? (await client.call('POST', route`/v1/projects/${project}/trust`, addedTrustRule, { body }))
  for (const weakness of rule.weaknesses ?? []) output.warn(weakness)
  const since = twin === undefined ? 'from now on' : 'already'
  output.result(rule, () =>
    [
      `Trusted as ${cell(project)} in ${cell(rule.environment)} ${since} (rule ${cell(rule.id)}, audience ${cell(rule.audience)}):`,
      ...sentences(rule.words ?? [`Identities of ${rule.issuer}.`]),
    ].join('\n'),
  )
  output.next(
    `check one with \`valetkey project explain ${cell(project)} --token @identity.jwt\`, then give it a connector with \`valetkey connect attach\`.`,
  )
}

async function readRule(
  context: Context,
  options: AddOptions & GivenOptions,
  chosen: PlatformFlags | undefined,
): Promise<RuleBody> {
  const { environment, audience, maxAgeSeconds, claim, refuse } = options
  if (chosen === undefined) {
    const issuer = textOf(options, 'issuer')
    if (issuer === undefined || claim === undefined) {
      throw misuse(
        issuer === undefined && claim === undefined
          ? 'Say whose identities: a platform such as --github owner/name, or --issuer with --claim'
          : `--${issuer === undefined ? 'claim needs --issuer' : 'issuer needs --claim'}`,
      )
    }
    const claims = claimsOf(claim)
    const refused = refuse === undefined ? undefined : claimsOf(refuse, '--refuse')
    return given({ environment, issuer, claims, refuse: refused, audience, maxAgeSeconds })
  }
  for (const [flag, value] of Object.entries({ claim, refuse }))
    if (value !== undefined) throw misuse(`--${flag} does not belong to --${chosen.flag}`)
  checkTogether(chosen, options)
  const ids = chosen.flag === 'github' ? await idsOf(context, options) : {}
  const template = templateOf(chosen, { ...options, ...ids })
  return given({ environment, template, audience, maxAgeSeconds })
}

/** The ids that were given, or those that GitHub says. */
async function idsOf(context: Context, options: GivenOptions): Promise<GivenOptions> {
  const given = ['repository-id', 'owner-id'].filter((flag) => textOf(options, flag) !== undefined)
  const api = textOf(options, 'github-api')
  if (given.length === 1)
    throw misuse(
      `--${given[0]} needs ${given[0] === 'owner-id' ? '--repository-id' : '--owner-id'} beside it`,
    )
  if (given.length === 2) {
    if (api !== undefined) throw misuse('--github-api is for ids that are not given')
    return {}
  }
  const isOther = isOtherGitHub(api, textOf(options, 'issuer'))
  const name = textOf(options, 'github') ?? ''
  const { repository, repositoryId, ownerId } = await lookUpRepository(context, name, api)
  if (isOther)
    context.output.warn(
      'The ids are from another GitHub than github.com, whose tokens this rule is for: name its own with --issuer.',
    )
  return { github: repository, repositoryId, ownerId }
}
