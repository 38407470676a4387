import { authenticateByCopy } from '../authenticate/authenticate.ts'
import type { Caller, Workload } from '../authenticate/caller.ts'
import type { BrokerContext } from '../context.ts'
import type { Outcome, Refusal } from '../refusal.ts'
import { type AdmissionQuery, type Link, readAdmission } from '../store/admission.ts'
import type { ParsedTokenRequest } from './token-request.ts'

/** Who asks, and what the one round trip found; or why the request ends here. */
export type Admitted =
  | { readonly outcome: 'admitted'; readonly caller: Workload; readonly link: Link | undefined }
  | { readonly outcome: 'refused'; readonly caller: Caller; readonly refusal: Refusal }
  | { readonly outcome: 'anonymous'; readonly refusal: Refusal }
  /** Too many of them: only counted, because the first was recorded. */
  | { readonly outcome: 'flooding'; readonly refusal: Refusal }

/** Refusals that other trust rules would not have made. */
const refusedByRules: ReadonlySet<Refusal['reason']> = new Set([
  'issuer_untrusted',
  'audience_mismatch',
  'token_lives_too_long',
  'claims_unmatched',
  'identity_ambiguous',
] as const)

/** Rules that change at every attempt are somebody's loop. */
const maxAttempts = 4

/**
 * Proves the caller and reads all that the request needs in one round trip. The trust rules that proved it are a
 * copy: when the round trip shows another revision, the proof is made again with fresh rules.
 */
export async function admit(
  context: BrokerContext,
  incoming: { readonly credential: string | undefined; readonly connector: string },
  parsed: Outcome<ParsedTokenRequest>,
): Promise<Admitted> {
  let proven: Workload | undefined
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const revision = context.trust.revision()
    const caller = await authenticateByCopy(context, incoming.credential)
    if (!caller.ok) {
      if (!refusedByRules.has(caller.refusal.reason)) return { outcome: 'anonymous', refusal: caller.refusal }
      // Rules that have changed since refuse nobody, and nothing later in this request would show it.
      await context.trust.refresh()
      if (context.trust.revision() === revision) return { outcome: 'anonymous', refusal: caller.refusal }
      continue
    }
    if (caller.value.kind !== 'workload') {
      return { outcome: 'refused', caller: caller.value, refusal: { reason: 'workload_needed' } }
    }
    if (proven === undefined) {
      const rate = await context.limits.tokenRequest(caller.value)
      if (!rate.ok) {
        return rate.record === 'count'
          ? { outcome: 'flooding', refusal: rate.refusal }
          : { outcome: 'refused', caller: caller.value, refusal: rate.refusal }
      }
    }
    proven = caller.value
    const request = parsed.ok ? parsed.value : undefined
    const admission = await readAdmission(context.db, {
      projectId: proven.projectId,
      environment: proven.environment,
      connector: incoming.connector,
      requestKey: request?.key ?? '',
      subjectKey: request?.subjectKey ?? '',
      rejectedTokenId: request?.rejectedTokenId ?? '',
      validityBufferMs: request?.validityBufferMs ?? 0,
      ...grantSought(request),
      now: context.now(),
    })
    if (admission.trustRevision === revision || proven.proof.type === 'access-token') {
      return { outcome: 'admitted', caller: proven, link: admission.link }
    }
    await context.trust.refresh()
  }
  const message = 'Trust rules are changing faster than this request could be decided'
  const refusal: Refusal = { reason: 'unavailable', message }
  return proven === undefined
    ? { outcome: 'anonymous', refusal }
    : { outcome: 'refused', caller: proven, refusal }
}

/** Whose grant would answer a request. */
function grantSought(
  request: ParsedTokenRequest | undefined,
): Pick<AdmissionQuery, 'grantKind' | 'grantIssuer' | 'grantUserId' | 'grantInstallationId'> {
  const grantInstallationId = request?.installationId ?? ''
  switch (request?.subject.type) {
    case 'user': {
      const { id, issuer } = request.subject
      return { grantKind: 'user', grantIssuer: issuer ?? '', grantUserId: id, grantInstallationId }
    }
    case 'app':
      return { grantKind: 'installation', grantIssuer: '', grantUserId: '', grantInstallationId }
    case 'jwt-bearer':
    case 'token':
    case undefined:
      return { grantKind: '', grantIssuer: '', grantUserId: '', grantInstallationId: '' }
  }
}
