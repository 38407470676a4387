import type { TokenAnswer } from './replicas.ts'

/**
 * Where the refresh of a grant is when the process that does it is killed: before the provider has seen it; after the
 * provider has rotated, with the answer held back; or `answerAgeMs` after the answer was sent, which falls before,
 * between and after the commits that store it.
 */
export interface KillPoint {
  readonly id: number
  readonly moment: 'unseen' | 'unanswered' | 'answered'
  readonly answerAgeMs: number
}

/** What became of the grant. */
export interface KillOutcome extends KillPoint {
  /** `lost`: the provider ended it, because the token that the killed process was given never came out of it. */
  readonly result: 'kept' | 'lost'
  /** The rotated token was in the database when the process had ended. */
  readonly stored: boolean
  /** The killed process had answered its caller. */
  readonly told: boolean
  /** Refreshes that reached the provider, that of the killed process among them. */
  readonly arrivals: number
  readonly rotations: number
  readonly reuses: number
  /** From the kill until the last caller at another replica had an answer. */
  readonly waitedMs: number
  /** Promises that were broken; empty for a pass. */
  readonly broken: readonly string[]
}

/** The promises that were broken at one point. */
export function judge(
  outcome: Omit<KillOutcome, 'broken'>,
  answers: readonly TokenAnswer[],
  tokens: readonly string[],
  good: readonly boolean[],
): readonly string[] {
  const { moment, result, stored, told, arrivals, rotations, reuses, waitedMs } = outcome
  const kept = answers.every(({ status }) => status === 200) && tokens.length === 1
  const lost = answers.every(({ code }) => code === 'user_authorization_required')
  const rules: readonly (readonly [boolean, string])[] = [
    [kept || lost, `callers were told different things: ${tokens.length} tokens; ${summary(answers)}`],
    [waitedMs <= 30_000, 'callers waited for more than 30 s'],
    [result === 'lost' || good.every(Boolean), 'the provider does not accept the token that was handed out'],
    [result === 'lost' || reuses === 0, 'a spent refresh token was sent although a good one was there'],
    [result === 'kept' || moment !== 'unseen', 'a grant was lost that the provider had not touched'],
    [result === 'kept' || !stored, 'a grant was lost whose rotated token was stored'],
    [result === 'kept' || !told, 'a grant was lost after its refresh had been answered to a caller'],
    [
      result === 'kept' || (rotations === 1 && reuses === 1),
      'a grant was lost without a word of the provider',
    ],
    [arrivals <= 2, 'a refresh was tried again after its outcome was known'],
    [moment !== 'unseen' || rotations === 1, 'a refresh that nobody had seen was not made once'],
    [rotations <= 2, 'a grant was refreshed more often than once on either side of the kill'],
  ]
  return rules.flatMap(([holds, message]) => (holds ? [] : [message]))
}

/** The tokens that were handed out. */
export function distinctTokens(answers: readonly TokenAnswer[]): readonly string[] {
  return [...new Set(answers.flatMap(({ token }) => (token === undefined ? [] : [token])))]
}

function summary(answers: readonly TokenAnswer[]): string {
  return answers.map(({ status, code }) => `${status} ${code ?? ''}`.trim()).join(', ')
}
