import type { Command } from 'commander'
import { type AccessToken, accessToken } from '../broker-client/answers.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { asFailure, errorBody, type Failure } from '../failure.ts'
import { type IdentityFinding, probeIdentity } from '../identity/probe.ts'
import { findWorkload } from '../identity/workload.ts'
import { cell, instant } from '../output/text.ts'
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
  const neither = !('token' in operator) && !('found' in identity && identity.found)
  if (neither && !('token' in operator)) throw operator
  context.output.result(
    {
      operator:
        'token' in operator
          ? { url: operator.url, source: operator.source, ...operator.token }
          : errorBody(operator),
      identity: 'found' in identity ? identity : { found: false, ...errorBody(identity).error },
    },
    () => `${operatorText(operator)}\n${identityText(identity)}`,
  )
  return 0
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

/** One line about the identity; also used by `doctor`. */
function identityText(identity: IdentityFinding | Failure): string {
  if (!('found' in identity)) return `Identity: none. ${identity.message}`
  if (!identity.found) return `Identity: none. ${identity.reason}`
  const { claims } = identity
  if (claims === undefined) return `Identity: an access token, from ${cell(identity.source)}`
  const until = claims.exp === undefined ? 'no expiry' : `until ${instant(claims.exp * 1000)}`
  return `Identity: ${cell(claims.sub)} of ${cell(claims.iss)} for ${cell(claims.aud)}, ${until}, from ${cell(identity.source)}`
}
