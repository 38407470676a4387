import { identityUnavailable } from '../errors/connect-error.ts'

/**
 * A built-in module of Node, Bun or Deno, without an import: a `node:` specifier would break bundles for other
 * runtimes, even where it is never reached.
 */
export function nodeBuiltin<Name extends keyof NodeModules>(name: Name, forWhat: string): NodeModules[Name] {
  const get = typeof process === 'undefined' ? undefined : process.getBuiltinModule
  const module = get?.call(process, name)
  if (module === undefined || module === null)
    throw identityUnavailable(`${forWhat} needs ${name}, which this runtime does not have`)
  return module as NodeModules[Name]
}

interface NodeModules {
  'node:fs': typeof import('node:fs')
  'node:http': typeof import('node:http')
  'node:child_process': typeof import('node:child_process')
}
