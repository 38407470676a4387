import type { ConsentStatus, Subject } from '@valetkey/protocol'
import type { Refusal } from '../refusal.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import { matchesHash, normalizeTypedCode } from './secrets.ts'

/** Failed completions of one request, when its code is long and when a person types it. */
const maxTries = { long: 10, typed: 3 } as const

/** How long the code in a return URL lives. */
const returnCodeMs = 60_000

/** Where a request stands: what nobody has swept yet is over all the same. */
export function statusAt(
  row: Pick<ConsentRequestRow, 'status' | 'expires_at' | 'code_expires_at'>,
  now: number,
): ConsentStatus {
  switch (row.status) {
    case 'pending':
      return row.expires_at <= now ? 'expired' : 'pending'
    case 'consented':
      // Without a code that still counts, nothing can complete it any more.
      return (row.code_expires_at ?? row.expires_at) <= now ? 'expired' : 'consented'
    case 'active':
    case 'denied':
    case 'error':
    case 'expired':
      return row.status
  }
}

/**
 * What the browser meets after the provider: `return` to the app, a `code` to type back, or nothing more to do.
 *
 * Whoever typed in a device code is at another machine than the app's session: there, a return URL leads nowhere good.
 */
export function nextStep(
  row: Pick<ConsentRequestRow, 'kind' | 'entered_by' | 'return_url' | 'binding'>,
): 'return' | 'code' | 'close' {
  if (row.kind === 'sign_in') return 'return'
  if (row.return_url !== null && row.entered_by !== 'device') return 'return'
  return row.binding === 'complete' ? 'code' : 'close'
}

/** When the code ends that completes a request to which consent was given `now`. */
export function codeEnd(
  row: Parameters<typeof nextStep>[0] & Pick<ConsentRequestRow, 'expires_at'>,
  now: number,
): number {
  // Who consented in the last second must still be able to type.
  return nextStep(row) === 'code' ? Math.max(row.expires_at, now + returnCodeMs) : now + returnCodeMs
}

/** What becomes of an attempt to complete a request. */
export type Completion =
  | { readonly decision: 'activate' }
  /** The request can't be completed now or ever: the attempt says nothing about who guesses what. */
  | { readonly decision: 'refuse'; readonly refusal: Refusal }
  /** A wrong attempt, which counts; `last` when there is none left. */
  | { readonly decision: 'count'; readonly refusal: Refusal; readonly last: boolean }

/**
 * Decides an attempt to complete a request.
 *
 * Code and subject are judged together and refused with the same words: an attempt with the right code and another
 * subject must not learn that the code was right.
 */
export function decideCompletion(
  row: ConsentRequestRow,
  given: { readonly code: string; readonly subject: Subject | undefined },
  now: number,
): Completion {
  const status = statusAt(row, now)
  if (status !== 'consented') {
    return { decision: 'refuse', refusal: { reason: 'conflict', message: whyNotNow[status] } }
  }
  const typed = nextStep(row) === 'code'
  const codeMatches = matchesHash(typed ? normalizeTypedCode(given.code) : given.code, row.code_hash)
  const subjectMatches = isSubjectOf(row, given.subject)
  if (codeMatches && subjectMatches) return { decision: 'activate' }
  const last = row.tries + 1 >= (typed ? maxTries.typed : maxTries.long)
  return { decision: 'count', refusal: { reason: 'completion_mismatch' }, last }
}

const whyNotNow: Readonly<Record<Exclude<ConsentStatus, 'consented'>, string>> = {
  pending: 'Nobody has consented to this request yet',
  active: 'This request has been completed already',
  denied: 'Consent was denied: begin a new request',
  error: 'This request has failed: begin a new one',
  expired: 'This request, or the code that completes it, has expired: begin a new one',
}

/** A sign-in has no subject before the provider names it: its code alone is bound to the client that redeems it. */
function isSubjectOf(
  row: Pick<ConsentRequestRow, 'kind' | 'issuer' | 'user_id'>,
  subject: Subject | undefined,
): boolean {
  switch (row.kind) {
    case 'authorize':
      return subject?.type === 'user' && subject.id === row.user_id && (subject.issuer ?? '') === row.issuer
    case 'install':
    case 'sign_in':
      return subject === undefined
  }
}
