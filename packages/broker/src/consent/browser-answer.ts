import type { BrokerContext } from '../context.ts'
import { type AuthorizationError, signInReturn } from '../gateway/return.ts'
import type { ConsentRequestRow } from '../store/schema.ts'
import { nextStep } from './state.ts'
import { withAnswer } from './with-answer.ts'

/** What a browser is shown, or where it goes. */
export type BrowserAnswer =
  /** To another origin. */
  | { readonly show: 'away'; readonly url: string; readonly service: string }
  /** To the page that says what came of a request: a reload shows it again, and no address keeps the provider's code. */
  | { readonly show: 'outcome'; readonly request: string }
  | {
      readonly show: 'done'
      readonly service: string
      readonly kind: ConsentRequestRow['kind']
      readonly code?: string
      readonly expiresAt?: number
    }
  | Failed

/** Something can't go on. */
export interface Failed {
  readonly show: 'failed'
  readonly status: 400 | 403 | 404 | 410 | 429 | 502 | 503
  readonly title: string
  readonly message: string
  /** The message says what to do: to start again would be wrong advice. */
  readonly final?: true
}

/** Why a request came to nothing, as the webhook and the app are told. */
export interface ConsentError {
  readonly code: 'access_denied' | 'provider_refused' | 'provider_error' | 'conflict'
  readonly message: string
}

export function failed(status: Failed['status'], title: string, message: string): Failed {
  return { show: 'failed', status, title, message }
}

/** A request that nobody can consent to any more, or that never was. */
export const requestOver: Failed = failed(
  404,
  'This request is over',
  'It was completed, cancelled or never made, or its time is over.',
)

/** Tells the app by way of the browser that a request came to nothing; the person, where no app is waiting. */
export function answerFailure(
  context: BrokerContext,
  row: ConsentRequestRow,
  error: ConsentError,
): BrowserAnswer {
  if (row.kind === 'sign_in') {
    const told = signInErrors[error.code]
    return { show: 'away', ...goingTo(signInReturn(context, row, { error: told })) }
  }
  if (nextStep(row) === 'return' && row.return_url !== null) {
    return {
      show: 'away',
      ...goingTo(withAnswer(row.return_url, { request: row.id, error: error.code })),
    }
  }
  return failurePage(error)
}

/** What a person is told of a request that came to nothing. */
export function failurePage(error: { readonly code: string; readonly message: string }): Failed {
  const title = error.code === 'access_denied' ? 'Nothing was agreed to' : 'This did not work'
  return failed(error.code === 'provider_error' ? 502 : 400, title, error.message)
}

/** A URL, and the name by which people know where it leads. */
export function goingTo(url: string): { readonly url: string; readonly service: string } {
  return { url, service: new URL(url).host }
}

const signInErrors: Readonly<Record<ConsentError['code'], AuthorizationError>> = {
  access_denied: 'access_denied',
  provider_refused: 'server_error',
  provider_error: 'temporarily_unavailable',
  conflict: 'server_error',
}
