import { vercelRequestContext } from '../client/environment.ts'
import type { IdentitySource } from './identity-source.ts'

/**
 * The OIDC token of a Vercel deployment: of the request being served, or `VERCEL_OIDC_TOKEN` (builds, development),
 * whichever lives longer. Vercel Connect takes it as it is; for any other issuing point it is exchanged at Vercel for
 * one with the right audience.
 *
 * @see https://vercel.com/docs/oidc
 */
export const vercelSource: IdentitySource = {
  name: 'vercel',
  partition: 'given',
  remedy: 'vercel env pull',
  variable: 'VERCEL_OIDC_TOKEN',
  find(read) {
    const context = vercelRequestContext()
    const ofRequest = context?.headers?.['x-vercel-oidc-token']
    const tokens = [ofRequest, read(this.variable)].filter(
      (token) => typeof token === 'string' && token !== '',
    )
    if (tokens.length > 0) return tokens.join(' ')
    return context !== undefined || read('VERCEL') === '1' ? '' : undefined
  },
  async obtain(found, context) {
    const { obtainVercelToken } = await import('./obtain-vercel-token.ts')
    return obtainVercelToken(found, this, context)
  },
}
