import { errorCodes, isErrorCode } from '@valetkey/protocol'
import { Failure, failed, systemCode } from '../failure.ts'
import { isLoopback } from './address.ts'
import { anyObject, text } from './check.ts'

/** An answer that is not of this protocol. */
export function invalidAnswer(url: string, reason: string): Failure {
  return failed(
    'invalid_response',
    `What answers at ${url} is not a Valetkey broker: ${reason}`,
    'Check the URL, and that no proxy stands in between.',
  )
}

/** The refusal that a broker sent, with the wire's code, message and request id. */
export function refusalOf(response: Response, body: unknown, url: string): Failure {
  const error = anyObject(body) && anyObject(body.error) ? body.error : undefined
  if (error === undefined || !text(error.code) || !text(error.message))
    return invalidAnswer(url, `it is the status ${response.status} without a reason`)
  const requestId = text(error.requestId) ? error.requestId : (response.headers.get('x-request-id') ?? '')
  const next = isErrorCode(error.code) ? errorCodes[error.code].remedy : undefined
  return new Failure(error.code, error.message, { requestId, next })
}

/** What a failed `fetch` means. The error itself is not repeated: it may hold the request. */
export function networkFailure(error: unknown, url: string): Failure {
  if (error instanceof Failure) return error
  if (error instanceof Error && error.name === 'TimeoutError')
    return failed(
      'timeout',
      `The broker at ${url} did not answer in time`,
      'Try again; see its log if it lasts.',
    )
  const code = causeCode(error)
  if (code === 'ECONNREFUSED') {
    const here = isLoopback(new URL(url))
    return failed(
      'unavailable',
      here
        ? `Nothing answers at ${url}: start it with \`valetkey dev\``
        : `Nothing answers at ${url}: check the address, and that the broker runs`,
    )
  }
  return failed(
    'unavailable',
    `The broker at ${url} could not be reached (${code ?? 'connection failed'})`,
    'Check the address and the network; `valetkey doctor` says more.',
  )
}

/** The system's code behind the error of `fetch`: its cause, or the first of several addresses' causes. */
function causeCode(error: unknown): string | undefined {
  const own = systemCode(error)
  if (own !== undefined) return own
  if (!(error instanceof Error)) return undefined
  if (error instanceof AggregateError) return error.errors.map(causeCode).find((code) => code !== undefined)
  return error.cause === undefined ? undefined : causeCode(error.cause)
}
