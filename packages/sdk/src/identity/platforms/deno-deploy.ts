import { importPackage } from '../../import-package.ts'
import type { ObtainIdentity } from '../identity-source.ts'
import { checkMinted, gaveNone } from '../mint.ts'

const platform = 'Deno Deploy'

/**
 * The OIDC token of a Deno Deploy app (5 minutes), by Deno's own module `@deno/oidc`, which the app adds.
 *
 * @see https://docs.deno.com/deploy/reference/oidc/
 */
export const obtainFromDenoDeploy: ObtainIdentity = async (_values, context) => {
  const { audience } = context.destination
  const module = await importPackage<{ getIdToken?: (audience: string) => Promise<string> }>('@deno/oidc')
  if (typeof module?.getIdToken !== 'function')
    throw gaveNone(platform, 'the app does not have `@deno/oidc`: run `deno add jsr:@deno/oidc`')
  let token: unknown
  try {
    token = await module.getIdToken(audience)
  } catch {
    throw gaveNone(platform, '`getIdToken` of @deno/oidc failed')
  }
  return checkMinted(platform, token, [audience], context)
}
