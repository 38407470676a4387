import { z } from 'zod'
import { explainIdentity, type IdentityExplanation } from '../authenticate/explain.ts'
import type { VerifiedIdentity } from '../authenticate/verified-identity.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, type Refusal, refuse } from '../refusal.ts'
import { listTrustRules } from '../store/projects.ts'
import { trustRuleOf } from '../store/trust-snapshot.ts'
import { parseInput } from './input.ts'
import { projectOf } from './projects.ts'

const explainBody = z.union([
  z.strictObject({ token: z.string().min(1).max(16_384) }),
  z.strictObject({ claims: z.record(z.string(), z.unknown()) }),
])

/**
 * Says which rule of a project admits an identity, claim by claim. With a whole token it says too whether the token
 * would be accepted as it stands: signature, audience, times, and no other project admitting it.
 */
export async function explain(
  context: BrokerContext,
  reference: string,
  body: unknown,
): Promise<Outcome<object>> {
  const input = parseInput(explainBody, body)
  if (!input.ok) return refuse({ reason: 'request_invalid', message: 'Give either a token or claims' })
  const project = await projectOf(context, reference)
  if (!project.ok) return project
  const { id, name } = project.value
  const rules = (await listTrustRules(context.db, id)).map((row) => trustRuleOf(row, name))

  if ('claims' in input.value) {
    const explained = explainIdentity({ rules, claims: input.value.claims, now: context.now() })
    return accept({ ...explained, ...(explained.allowed ? { project: { id, name } } : {}) })
  }
  const { token } = input.value
  const [header, claims] = [unverifiedPart(token, 0), unverifiedPart(token, 1)]
  if (header === undefined || claims === undefined) {
    return refuse({ reason: 'request_invalid', message: 'token: not a JWT' })
  }
  const explained = explainIdentity({ rules, claims, header, now: context.now() })
  const builtIn = explainDevelopment(context, claims, project.value.allow_development_identities)
  await context.trust.refresh()
  const verified = await context.verifyIdentity(token, { unseen: true })
  const here = verified.ok && verified.value.projectId === id
  return accept({
    allowed: here,
    reason: reasonFor(verified, id, explained),
    ...(here ? { project: { id, name }, environment: verified.value.environment } : {}),
    rules: [...builtIn, ...explained.rules],
    token: verified.ok
      ? { accepted: true, rule: verified.value.ruleId, project: verified.value.projectName }
      : { accepted: false, code: answerFor(verified.refusal).code, reason: detailOf(verified.refusal) },
  })
}

function reasonFor(
  verified: Outcome<VerifiedIdentity>,
  projectId: string,
  explained: IdentityExplanation,
): string {
  if (verified.ok) {
    const { projectName, environment, ruleId } = verified.value
    return verified.value.projectId === projectId
      ? `Rule ${ruleId} admits it to ${environment}`
      : `It is admitted to another project: ${projectName}`
  }
  // The rules would admit it: then it is the token itself that is wrong.
  return explained.allowed ? `The token is not accepted: ${detailOf(verified.refusal)}` : explained.reason
}

function detailOf(refusal: Refusal): string {
  return 'detail' in refusal ? refusal.detail : refusal.reason.replaceAll('_', ' ')
}

/** The development issuer needs no rule; an identity of it is told what admits it instead. */
function explainDevelopment(
  context: BrokerContext,
  claims: Readonly<Record<string, unknown>>,
  admits: boolean,
) {
  if (claims.iss !== context.developmentIssuer.issuer) return []
  const reason = admits
    ? 'the project admits identities of the development issuer'
    : 'the project does not admit identities of the development issuer'
  return [{ id: 'development', matched: admits, reason, claims: [] }]
}

function unverifiedPart(token: string, index: 0 | 1): Record<string, unknown> | undefined {
  try {
    const part: unknown = JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString('utf8'))
    return typeof part === 'object' && part !== null && !Array.isArray(part) ? { ...part } : undefined
  } catch {
    return undefined
  }
}
