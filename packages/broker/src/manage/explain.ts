import { z } from 'zod'
import { explainIdentity } from '../authenticate/explain.ts'
import type { BrokerContext } from '../context.ts'
import { accept, answerFor, type Outcome, refuse } from '../refusal.ts'
import { listTrustRules } from '../store/projects.ts'
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
  const rules = (await listTrustRules(context.db, id)).map((row) => ({
    id: row.id,
    projectId: id,
    projectName: name,
    environment: row.environment,
    issuer: row.issuer,
    audience: row.audience,
    claims: row.claims,
    maxAgeSeconds: row.max_age_seconds,
  }))

  if ('claims' in input.value) {
    const explained = explainIdentity({ rules, claims: input.value.claims, now: context.now() })
    return accept({ ...explained, ...(explained.allowed ? { project: { id, name } } : {}) })
  }
  const claims = unverifiedClaims(input.value.token)
  if (claims === undefined) return refuse({ reason: 'request_invalid', message: 'token: not a JWT' })
  const explained = explainIdentity({ rules, claims, now: context.now() })
  const builtIn = explainDevelopment(context, claims, project.value.allow_development_identities)
  await context.trust.refresh()
  const verified = await context.verifyIdentity(input.value.token)
  const admittedHere = verified.ok && verified.value.projectId === id
  return accept({
    ...explained,
    rules: [...builtIn, ...explained.rules],
    allowed: admittedHere,
    ...(admittedHere ? { project: { id, name }, environment: verified.value.environment } : {}),
    token: verified.ok
      ? { accepted: true, rule: verified.value.ruleId, reason: `admitted to ${verified.value.projectName}` }
      : {
          accepted: false,
          code: answerFor(verified.refusal).code,
          reason: 'detail' in verified.refusal ? verified.refusal.detail : verified.refusal.reason,
        },
  })
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

function unverifiedClaims(token: string): Record<string, unknown> | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null && !Array.isArray(claims) ? { ...claims } : undefined
  } catch {
    return undefined
  }
}
