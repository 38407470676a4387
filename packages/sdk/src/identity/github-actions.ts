import type { IdentitySource } from './identity-source.ts'

/**
 * The OIDC token of a GitHub Actions job, asked for with the issuing point as its audience and afresh for every
 * exchange (it lives five minutes).
 *
 * @see https://docs.github.com/actions/reference/security/oidc
 */
export const githubActionsSource: IdentitySource = {
  name: 'github-actions',
  partition: 'github-actions',
  variable: 'GITHUB_ACTIONS',
  find(read, destination) {
    if (destination.isVercelConnect) return undefined
    const url = read('ACTIONS_ID_TOKEN_REQUEST_URL')
    const token = read('ACTIONS_ID_TOKEN_REQUEST_TOKEN')
    if (url !== undefined && token !== undefined) return `${url}\n${token}`
    return url !== undefined || token !== undefined || read('GITHUB_ACTIONS') === 'true' ? '' : undefined
  },
  async obtain(found, context) {
    const { requestGithubToken } = await import('./request-github-token.ts')
    return requestGithubToken(found, context)
  },
}
