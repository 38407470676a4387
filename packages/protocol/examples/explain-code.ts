import { errorCodes, isErrorCode } from '@valetkey/protocol'

export function whatToDo(code: unknown): string {
  return isErrorCode(code)
    ? errorCodes[code].remedy
    : 'Unknown code: is the issuing point newer than this client?'
}
