import { identityUnavailable } from '../errors/connect-error.ts'
import { maxCredentialLength } from './check-credential.ts'
import type { ObtainIdentity } from './identity-source.ts'
import { nodeBuiltin } from './node-builtin.ts'

/**
 * An OIDC ID token in the file that `VALETKEY_ID_TOKEN_FILE` names. Read again for every exchange: platforms replace
 * such files while the process runs.
 */
export const obtainFromFile: ObtainIdentity = ([path = ''], { destination }) =>
  readTokenFile(path, 'VALETKEY_ID_TOKEN_FILE', destination.audience)

// What a cluster mounts by itself: for the API server, AWS and Azure.
const mountsForOthers = [
  '/run/secrets/kubernetes.io/',
  '/run/secrets/eks.amazonaws.com/',
  '/run/secrets/pods.eks.amazonaws.com/',
  '/run/secrets/azure/',
]

/**
 * The token in a file, trimmed. Nothing is remembered between calls, neither the text nor its modification time.
 *
 * @param audience what it has to be for, for messages.
 * @param namedBy what names the file, for messages: they never quote the path.
 */
export async function readTokenFile(path: string, namedBy: string, audience: string): Promise<string> {
  // /var/run is a link to /run in most images. Whatever the path, the audience decides; this message says more.
  const plain = path.replace(/\/+/g, '/').replace(/^\/var\/run\//, '/run/')
  if (mountsForOthers.some((mount) => plain.startsWith(mount)))
    throw identityUnavailable(
      `${namedBy} names a token that the cluster mounts for somebody else, so it was not sent: ` +
        `project a second one with \`serviceAccountToken: { audience: ${audience}, path: token }\``,
    )
  const { constants, promises } = nodeBuiltin('node:fs', namedBy)
  const buffer = new Uint8Array(maxCredentialLength + 1)
  let length = 0
  try {
    // A pipe that nobody writes to would hold a thread of the process for ever, past every timeout. Windows has no such flag.
    const file = await promises.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      if (!(await file.stat()).isFile()) throw Object.assign(new Error(), { code: 'not a regular file' })
      while (length < buffer.length) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length, null)
        if (bytesRead === 0) break
        length += bytesRead
      }
    } finally {
      await file.close()
    }
  } catch (error) {
    // Deno's errors have a name instead of a code.
    const { code, name } = error as { code?: unknown; name?: unknown }
    const reason = code ?? name
    throw identityUnavailable(
      `The file ${namedBy} names could not be read${typeof reason === 'string' ? ` (${reason})` : ''}`,
    )
  }
  if (length > maxCredentialLength)
    throw identityUnavailable(`The file ${namedBy} names is larger than ${maxCredentialLength} bytes`)
  const token = new TextDecoder().decode(buffer.subarray(0, length)).trim()
  if (token === '') throw identityUnavailable(`The file ${namedBy} names is empty`)
  return token
}
