import type { MockCall } from './types.ts'

/** What a route asks for. */
export interface FoundCall {
  readonly call: MockCall
  /** The connector as it was named (a UID, or an id), or the consent request. */
  readonly name: string
}

/** The call of a method and a path below the issuing point's URL; undefined for any other. */
export function findCall(method: string, path: string): FoundCall | undefined {
  const [root, version, ...segments] = path.split('/').slice(1)
  if (root !== 'v1' || version !== 'connect') return undefined
  const [first, second = '', third] = segments
  const name = decodeSegment(second)
  if (name === undefined || name === '' || segments.length > 3) return undefined
  const call = callOf([method, first, ...(third === undefined ? [] : [third])].join(' '))
  return call === undefined ? undefined : { call, name }
}

function callOf(route: string): MockCall | undefined {
  switch (route) {
    case 'POST token':
      return 'token'
    case 'POST authorize':
      return 'authorize'
    case 'POST install':
      return 'install'
    case 'POST requests status':
      return 'status'
    case 'POST requests complete':
      return 'complete'
    case 'GET connectors':
      return 'describe'
    case 'DELETE connectors tokens':
      return 'revoke'
    default:
      return undefined
  }
}

function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
