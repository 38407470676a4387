import type { Command } from 'commander'
import { type AccessToken, accessToken } from '../broker-client/answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { asFailure, errorBody, type Failure } from '../failure.ts'
import { type IdentityFinding, probeIdentity } from '../identity/probe.ts'
import { findWorkload } from '../identity/workload.ts'
import { cell, instant, table } from '../output/text.ts'
import { examples } from './examples.ts'

/** Adds `whoami`. */
export function addWhoami(program: Command, act: Act): void {
  program
    .command('whoami')
    .description('Say whose access token is used here, and which identity the SDK would use.')
    .addHelpText('after', `${examples('valetkey whoami')}\n\nExit status: 0 when either is known.`)
    .action(act(whoami))
}

async function whoami(context: Context): Promise<number> {
  const operator = await readOperator(context).catch(asFailure)
  const identity = await readIdentity(context).catch(asFailure)
  const isOperatorKnown = 'token' in operator
  const isKnown = isOperatorKnown || ('found' in identity && identity.found)
  // Without an issuing point there is nothing to report on.
  if (!isOperatorKnown && !('found' in identity)) throw operator
  context.output.result(
    {
      // The wire body of an error comes with the report of what was tried.
      ...(isKnown || isOperatorKnown ? {} : errorBody(operator)),
      operator: isOperatorKnown
        ? { url: operator.url, source: operator.source, ...operator.token }
        : errorBody(operator),
      identity: 'found' in identity ? identity : { found: false, ...errorBody(identity).error },
    },
    () => `${operatorText(operator)}\n${identityText(identity)}`,
  )
  return isKnown ? 0 : 1
}

interface KnownOperator {
  readonly url: string
  readonly source: string
  readonly token: AccessToken
}

async function readOperator(context: Context): Promise<KnownOperator> {
  const { client, broker } = await connectToBroker(context)
  const token = await client.call('GET', '/v1/access-tokens/self', accessToken)
  return { url: broker.url, source: broker.source, token }
}

async function readIdentity({ shell }: Context): Promise<IdentityFinding> {
  return await probeIdentity(shell, await findWorkload(shell))
}

function operatorText(operator: KnownOperator | Failure): string {
  if (!('token' in operator)) return `Operator: unknown. ${operator.message}`
  const { token, url, source } = operator
  const may =
    typeof token.role !== 'string' ? `workload of ${projectName(token.project)}` : `role ${cell(token.role)}`
  const until = typeof token.expiresAt === 'number' ? `, until ${instant(token.expiresAt)}` : ''
  return `Operator: access token ${cell(token.id)} (${may}${until}) at ${cell(url)}, from ${cell(source)}`
}

function projectName(project: unknown): string {
  const name: unknown =
    typeof project === 'object' && project !== null ? Reflect.get(project, 'name') : project
  return cell(name)
}

function identityText(identity: IdentityFinding | Failure): string {
  if (!('found' in identity)) return `Identity: none. ${identity.message}`
  return `${findingText(identity)}${sourcesText(identity)}`
}

function findingText(identity: IdentityFinding): string {
  if (!identity.found) return `Identity: none. ${cell(identity.reason)}`
  const { claims, weakness } = identity
  if (claims === undefined) return `Identity: an access token, from ${cell(identity.source)}`
  const until = claims.exp === undefined ? 'no expiry' : `until ${instant(claims.exp * 1000)}`
  const whose = `Identity: ${cell(claims.sub)} of ${cell(claims.iss)} for ${claims.aud.map(cell).join(', ')}, ${until}, from ${cell(identity.source)}`
  return weakness === undefined ? whose : `${whose}\nBeware: ${weakness}.`
}

function sourcesText({ sources }: IdentityFinding): string {
  if (sources.length === 0) return ''
  const rows = sources.map(({ name, outcome, reason }) => [name, outcome.replace('_', ' '), reason])
  return `\n\nWhere the SDK looked, in this order:\n${table(['SOURCE', 'OUTCOME', 'WHY'], rows)}`
}
