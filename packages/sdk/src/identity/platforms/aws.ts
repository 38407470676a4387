import { isConnectError } from '../../errors/connect-error.ts'
import { importPackage } from '../../import-package.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted, gaveNone } from '../mint.ts'

const platform = 'AWS'
const durationSeconds = 300

/** What of `@aws-sdk/client-sts` is used. */
interface StsModule {
  readonly STSClient?: new (configuration: {
    region?: string
  }) => {
    send(command: object, options: { abortSignal: AbortSignal }): Promise<{ WebIdentityToken?: string }>
    destroy(): void
  }
  readonly GetWebIdentityTokenCommand?: new (input: {
    Audience: string[]
    SigningAlgorithm: 'RS256'
    DurationSeconds: number
  }) => object
}

/**
 * A web identity token of the AWS role that the process runs as (5 minutes), by STS through the app's own AWS SDK. The
 * account has to have outbound identity federation enabled, so it is asked only when `VALETKEY_IDENTITY` names `aws`.
 * Tokens of IRSA and EKS Pod Identity are for AWS and are never sent.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
 */
export const obtainFromAws: ObtainIdentity = async ([region = '', defaultRegion = ''], context) => {
  const { audience } = context.destination
  const module = await importPackage<StsModule>('@aws-sdk/client-sts')
  const { STSClient, GetWebIdentityTokenCommand } = module ?? {}
  if (STSClient === undefined || GetWebIdentityTokenCommand === undefined)
    throw gaveNone(
      platform,
      'the app has no `@aws-sdk/client-sts` that knows GetWebIdentityToken: install it',
    )
  const chosen = region || defaultRegion
  const client = new STSClient(chosen === '' ? {} : { region: chosen })
  const command = new GetWebIdentityTokenCommand({
    Audience: [audience],
    SigningAlgorithm: 'RS256',
    DurationSeconds: durationSeconds,
  })
  try {
    const answer = await client.send(command, { abortSignal: context.signal })
    return checkMinted(platform, answer.WebIdentityToken, [audience], context)
  } catch (error) {
    throw stsFailure(error, chosen)
  } finally {
    client.destroy()
  }
}

// Of what the SDK throws only names are safe to pass on: AccessDenied, OutboundWebIdentityFederationDisabled, ECONNREFUSED.
function stsFailure(error: unknown, region: string): unknown {
  if (isConnectError(error)) return error
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown }
  const known = [code, name].find((each) => typeof each === 'string' && /^[A-Z_a-z]{1,80}$/.test(each))
  const isUnspecific = known === undefined || known === 'Error'
  const hint = isUnspecific && region === '' ? ': AWS_REGION is not set' : isUnspecific ? '' : ` (${known})`
  return gaveNone(platform, `STS GetWebIdentityToken failed${hint}`)
}
