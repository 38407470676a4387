import type { Command } from 'commander'
import { type AccessToken, accessToken } from '../broker-client/answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { asFailure, errorBody, type Failure } from '../failure.ts'
import { type IdentityFinding, probeIdentity, pulledSource } from '../identity/probe.ts'
import { credentialText, howToLoad } from '../identity/words.ts'
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
  const identity = await probeIdentity(context.shell).catch(asFailure)
  const isOperatorKnown = 'token' in operator
  const isKnown = isOperatorKnown || ('found' in identity && identity.found)
  // Nobody could say anything: one reason is enough.
  if (!isOperatorKnown && !('found' in identity)) throw operator
  if ('found' in identity && identity.notice !== undefined) context.output.warn(identity.notice)
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
  if (!isKnown && !isOperatorKnown && operator.next !== undefined) context.output.next(operator.next)
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
  const from = `from ${cell(identity.source)}${identity.source === pulledSource ? `, ${howToLoad}` : ''}`
  if (claims === undefined) return `Identity: ${credentialText(identity.source)}, ${from}`
  const until = claims.exp === undefined ? 'no expiry' : `until ${instant(claims.exp * 1000)}`
  const whose = `Identity: ${cell(claims.sub)} of ${cell(claims.iss)} for ${claims.aud.map(cell).join(', ')}, ${until}, ${from}`
  return weakness === undefined ? whose : `${whose}\nBeware: ${weakness}.`
}

function sourcesText(identity: IdentityFinding): string {
  const { sources } = identity
  if (sources.length === 0) return ''
  const rows = sources.map(({ name, outcome, reason }) => [name, outcome.replace('_', ' '), reason])
  const isNowhere = !identity.found && identity.code === 'issuing_point_missing'
  const where = isNowhere ? 'Where the SDK would look, once a broker is named' : 'Where the SDK looked'
  return `\n\n${where}, in this order:\n${table(['SOURCE', 'OUTCOME', 'WHY'], rows)}`
}
