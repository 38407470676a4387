import { accessTokenSource } from './access-token.ts'
import { githubActionsSource } from './github-actions.ts'
import { idTokenSource } from './id-token.ts'
import { idTokenCommandSource } from './id-token-command.ts'
import { idTokenFileSource } from './id-token-file.ts'
import type { IdentitySource } from './identity-source.ts'
import { vercelSource } from './vercel.ts'

/**
 * Every ambient identity source, in the order in which they are asked; the first that matches decides. What an
 * operator set comes first, then platforms from the innermost outwards, then the access token, which is no platform's.
 */
export const identitySources: readonly IdentitySource[] = [
  idTokenSource,
  idTokenFileSource,
  idTokenCommandSource,
  githubActionsSource,
  vercelSource,
  accessTokenSource,
]
