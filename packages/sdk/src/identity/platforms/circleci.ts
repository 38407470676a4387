import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted } from '../mint.ts'
import { runTokenCommand } from '../run-token-command.ts'

/**
 * The OIDC token of a CircleCI job, with the issuing point as its audience. Only CircleCI's own command makes one; the
 * tokens in the job's variables are for the organization, and are not sent.
 *
 * @see https://circleci.com/docs/openid-connect-tokens/
 */
export const obtainFromCircleci: ObtainIdentity = async (_values, context) => {
  const { audience } = context.destination
  const args = ['run', 'oidc', 'get', '--claims', JSON.stringify({ aud: audience })]
  const name = 'CircleCI gave no identity: its command `circleci run oidc get`'
  const token = await runTokenCommand({ program: 'circleci', args }, name, context.signal)
  return checkMinted('CircleCI', token, [audience], context)
}
