import type { Caller } from '../authenticate/caller.ts'
import type { AuditActor } from './event.ts'

/** How the audit trail names a caller. */
export function actorOf(caller: Caller): AuditActor {
  if (caller.kind === 'operator') {
    return { type: 'operator', role: caller.role, accessTokenId: caller.accessTokenId }
  }
  const { proof } = caller
  return {
    type: 'workload',
    projectId: caller.projectId,
    environment: caller.environment,
    ...(proof.type === 'identity'
      ? { issuer: proof.issuer, subject: proof.subject, ruleId: proof.ruleId }
      : { accessTokenId: proof.accessTokenId }),
  }
}
