import type { Command } from 'commander'
import { addressProblem } from '../broker-client/address.ts'
import { type CreatedConnector, createdConnector } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { misuse } from '../failure.ts'
import { given } from '../input/options.ts'
import { readObject } from '../input/values.ts'
import { cell } from '../output/text.ts'
import { examples } from './examples.ts'

interface CreateOptions {
  readonly name: string
  readonly data: string
  readonly uid?: string
}

type Data = Readonly<Record<string, unknown>>

/** Adds `connect create`. */
export function addCreate(connect: Command, act: Act): void {
  connect
    .command('create <service|URL>')
    .description(
      'Create a connector: github, slack, google, linear, microsoft, okta, any other OAuth server by its URL, or any other by oauth or api-key.',
    )
    .requiredOption('--name <name>', 'its name for people')
    .requiredOption('--data <json>', 'its configuration and secrets: JSON, @file or @-')
    .option('--uid <uid>', 'how programs name it (default: service/name)')
    .addHelpText(
      'after',
      `${examples(
        'valetkey connect create github --name mybot --data @github-app.json',
        'valetkey connect create https://login.crm.example --name crm --data @crm.json',
      )}\n\nSecrets given as inline JSON stay in the history of the shell: prefer @file or @-.`,
    )
    .action(act(create))
}

async function create(context: Context, named: string, options: CreateOptions): Promise<void> {
  const { output } = context
  const read = await readObject(context.shell, '--data', options.data)
  const { service, data } = named.includes('://') ? ofServer(named, read) : { service: named, data: read }
  const { client } = await connectToBroker(context)
  const body = given({ service, name: options.name, uid: options.uid, data })
  const created = await client.call('POST', '/v1/connect/connectors', createdConnector, { body })
  const redirectUri = redirectUriOf(created, client.url)
  output.result(
    redirectUri === undefined ? created : { ...created, redirectUri },
    () => `Created connector ${cell(created.uid)} (${cell(created.id)}, ${cell(created.type)}).`,
  )
  if (redirectUri !== undefined)
    output.next(`register ${cell(redirectUri)} with the provider, as the redirect URI (callback URL).`)
  output.next(
    `\`valetkey connect attach ${cell(created.uid)} --project PROJECT -e ENVIRONMENT\`: until then no workload can use it.`,
  )
}

/** A URL in place of a service: the OAuth server from whose metadata everything else is discovered. */
function ofServer(serverUrl: string, data: Data): { readonly service: string; readonly data: Data } {
  const problem = addressProblem(serverUrl)
  if (problem !== undefined) throw misuse(`The URL of the server ${problem}`)
  if (data.serverUrl !== undefined && data.serverUrl !== serverUrl)
    throw misuse('serverUrl of --data is another server than the URL given: leave it out')
  return { service: 'oauth', data: { ...data, serverUrl } }
}

/** What the provider must know, where people consent: the broker's word, else its address as it is known here. */
function redirectUriOf(created: CreatedConnector, url: string): string | undefined {
  if (typeof created.redirectUri === 'string') return created.redirectUri
  // Without an app of the provider's there is nobody to consent to, whatever the service could do.
  const consents = created.supportedSubjectTypes?.includes('user') === true
  if (!consents || typeof created.data?.clientId !== 'string') return undefined
  return `${url}${route`/v1/connect/callback/${created.id}`}`
}
