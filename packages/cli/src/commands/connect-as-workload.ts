import { caller } from '../broker-client/answers.ts'
import { type BrokerClient, createBrokerClient } from '../broker-client/client.ts'
import type { Context } from '../context.ts'
import { failed } from '../failure.ts'
import { findWorkload } from '../identity/workload.ts'

/**
 * The broker, asked with the identity that the SDK would use in this folder.
 *
 * The SDK chooses; it is stopped before its request leaves, and the credential it was about to send goes to the same
 * broker. An operator's token is refused here: what a workload asks about itself, an operator asks about everybody.
 *
 * @throws {Failure} `identity_unavailable` when there is none, `forbidden` when it is an operator's.
 */
export async function connectAsWorkload({ shell, output }: Context): Promise<BrokerClient> {
  const workload = await findWorkload(shell)
  if (workload.notice !== undefined) output.warn(workload.notice)
  const { url, identityToken } = workload
  const credential = await chosenCredential(shell, url, identityToken)
  const client = createBrokerClient({ url, accessToken: credential, fetch: shell.fetch })
  const { kind } = await client.call('GET', '/v1/access-tokens/self', caller)
  if (kind !== 'workload')
    throw failed(
      'forbidden',
      'This needs the identity of a workload, and what was found here is the access token of an operator',
      'Unset VALETKEY_ACCESS_TOKEN and get one with `valetkey env pull`.',
    )
  return client
}

async function chosenCredential(
  shell: Context['shell'],
  url: string,
  identityToken: string | undefined,
): Promise<string> {
  const sdk = await shell.loadSdk()
  let credential: string | undefined
  const client = sdk.createClient({
    url,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      // A platform's own source of identities is asked for real.
      if (!request.url.startsWith(`${url}/`)) return await shell.fetch(request)
      credential = request.headers.get('authorization')?.replace(/^Bearer /i, '')
      return Response.json(
        { error: { code: 'forbidden', message: 'not sent', requestId: '' } },
        { status: 403 },
      )
    },
  })
  let reason = 'The SDK sent no identity'
  try {
    const options = identityToken === undefined ? {} : { identityToken }
    await client.getTokenResponse('valetkey/identity', { subject: { type: 'app' } }, options)
  } catch (error) {
    if (!sdk.isConnectError(error)) throw error
    reason = (error as Error).message
  }
  // The SDK's own message about a missing identity already says what to do.
  if (credential === undefined) throw failed('identity_unavailable', reason)
  return credential
}
