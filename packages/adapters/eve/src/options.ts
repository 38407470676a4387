import { ConnectError } from '@valetkey/sdk'
import type { ConnectAuthorizationOptions } from './types.ts'

const kinds: Readonly<Record<keyof ConnectAuthorizationOptions, string>> = {
  connector: 'string',
  principalType: 'string',
  tokenParams: 'object',
  createSubject: 'function',
  validate: 'boolean',
  displayName: 'string',
  instructions: 'string',
  returnPath: 'string',
  onError: 'function',
  client: 'object',
  connectOptions: 'object',
}

/** A copy of what `connect` was given. Values are never quoted: one may be a credential. */
export function checkOptions(input: unknown): ConnectAuthorizationOptions {
  if (typeof input === 'string') return checkOptions({ connector: input })
  if (typeof input !== 'object' || input === null)
    throw invalid('connect() takes the name of a connector, or options')
  const options: Record<string, unknown> = { ...input }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(kinds, name)) throw invalid(`Unknown option "${name}" of connect()`)
    const kind = kinds[name as keyof ConnectAuthorizationOptions]
    const actual: string = value === null ? 'null' : typeof value
    if (value !== undefined && actual !== kind)
      throw invalid(`${name} must be ${kind === 'object' ? 'an' : 'a'} ${kind}`)
  }
  const { connector, principalType, displayName, returnPath, tokenParams } = options
  if (typeof connector !== 'string' || connector === '') throw invalid('connector must be given')
  if (principalType !== undefined && principalType !== 'user' && principalType !== 'app')
    throw invalid("principalType must be 'user' or 'app'")
  if (typeof returnPath === 'string' && !/^(?:\/[\w.~-]+)+$/.test(returnPath))
    throw invalid('returnPath must be a path, such as /valetkey/return')
  if (displayName === '') throw invalid('displayName must not be empty')
  if (tokenParams !== undefined && Object.hasOwn(tokenParams as object, 'subject'))
    throw invalid('tokenParams.subject must be absent: it comes from the principal, or from createSubject')
  return options as unknown as ConnectAuthorizationOptions
}

/** A caller's mistake. */
export function invalid(what: string): ConnectError {
  return new ConnectError(what, { code: 'invalid_request' })
}
