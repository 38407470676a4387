import type { ErrorCode } from '@valetkey/protocol'
import { asRecord, parseJsonObject } from '../http/parse-json.ts'
import type { Answer } from '../http/send.ts'
import { ConnectError, type ConnectErrorOptions } from './connect-error.ts'
import {
  ConnectorInstallationRequiredError,
  NoValidTokenError,
  UserAuthorizationRequiredError,
} from './refusals.ts'
import { codeOfStatus, isWireCode } from './wire-codes.ts'

/** What the error is about. */
export interface ErrorSubject {
  readonly connector: string | undefined
  /** What was sent: a message that echoes it is not repeated. */
  readonly credential: string
  readonly params?: ConnectErrorOptions['params']
}

/**
 * The error for an answer that is not a success.
 *
 * Understands `{ error: { code, message, requestId } }`, and what Vercel Connect sends instead: `err`, `vendor`,
 * `meta.vendor` and the code `client_installation_required`. Text outside these fields is never repeated.
 */
export function errorOfAnswer(answer: Answer, about: ErrorSubject): ConnectError {
  const body = parseJsonObject(answer.text)
  const error = asRecord(body?.error) ?? asRecord(body?.err)
  const code = codeOf(error?.code, answer.status)
  const options: ConnectErrorOptions = {
    code,
    status: answer.status,
    statusText: answer.statusText,
    vendor: vendorOf(error) ?? vendorOf(body),
    requestId: shortText(error?.requestId, 200) ?? shortText(answer.headers.get('x-request-id'), 200),
    connector: about.connector,
  }
  const message = messageOf(error?.message, about.credential) ?? fallbackMessage(answer, error?.code)
  switch (code) {
    case 'no_token':
      return new NoValidTokenError(message, options)
    case 'user_authorization_required':
      return new UserAuthorizationRequiredError(message, { ...options, params: about.params })
    case 'connector_installation_required':
      return new ConnectorInstallationRequiredError(message, options)
    default:
      return new ConnectError(message, options)
  }
}

function codeOf(code: unknown, status: number): ErrorCode {
  if (code === 'client_installation_required') return 'connector_installation_required'
  return typeof code === 'string' && isWireCode(code) ? code : codeOfStatus(status)
}

// Published clients match on the issuing point's wording, so it stays as it is; but not a credential played back.
function messageOf(message: unknown, credential: string): string | undefined {
  const text = shortText(message, 2000)
  return text?.includes(credential) ? undefined : text
}

function shortText(value: unknown, length: number): string | undefined {
  return typeof value === 'string' && value.length > 0 ? value.slice(0, length) : undefined
}

function fallbackMessage(answer: Answer, code: unknown): string {
  const named = typeof code === 'string' && /^[\w.-]{1,64}$/.test(code) ? ` (${code})` : ''
  return `The issuing point answered ${answer.status}${named}`
}

function vendorOf(record: Record<string, unknown> | undefined): Record<string, unknown> | undefined {
  return asRecord(record?.vendor) ?? asRecord(asRecord(record?.meta)?.vendor)
}
