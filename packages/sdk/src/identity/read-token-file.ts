import { identityUnavailable } from '../errors/connect-error.ts'
import { maxCredentialLength } from './check-credential.ts'
import type { ObtainIdentity } from './identity-source.ts'
import { nodeBuiltin } from './node-builtin.ts'

/**
 * An OIDC ID token in the file that `VALETKEY_ID_TOKEN_FILE` names. Read again for every exchange: platforms replace
 * such files while the process runs.
 */
export const obtainFromFile: ObtainIdentity = ([path = '']) => readTokenFile(path, 'VALETKEY_ID_TOKEN_FILE')

/**
 * The token in a file, trimmed. Nothing is remembered between calls, neither the text nor its modification time.
 *
 * @param namedBy what names the file, for messages: they never quote the path.
 */
export async function readTokenFile(path: string, namedBy: string): Promise<string> {
  const { promises } = nodeBuiltin('node:fs', namedBy)
  const buffer = new Uint8Array(maxCredentialLength + 1)
  let length = 0
  try {
    const file = await promises.open(path, 'r')
    try {
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
