import { ConnectError } from '../errors/connect-error.ts'
import type { Transport } from '../http/send.ts'

interface Flight<Value> {
  readonly promise: Promise<Value>
  readonly controller: AbortController
  readonly waiting: Set<Transport>
}

/**
 * Makes `find` something that is found once: its result is kept, a failure is not, and calls that come meanwhile wait
 * for the same attempt. That one ends when the last of them has left, and takes as long as the most patient one has.
 */
export function findOnce<Value>(
  find: (transport: Transport) => Promise<Value>,
): (call: Transport) => Promise<Value> {
  let found: { readonly value: Value } | undefined
  let flight: Flight<Value> | undefined

  function begin(fetch: Transport['fetch']): Flight<Value> {
    const controller = new AbortController()
    const waiting = new Set<Transport>()
    const remainingMs = (): number => Math.max(0, ...[...waiting].map((call) => call.remainingMs()))
    const promise = find({ fetch, signal: controller.signal, remainingMs })
    const begun = { promise, controller, waiting }
    const end = (): void => {
      if (flight === begun) flight = undefined
    }
    promise.then((value) => {
      found = { value }
      end()
    }, end)
    return begun
  }

  return (call) => {
    if (found !== undefined) return Promise.resolve(found.value)
    if (call.signal.aborted) return Promise.reject(nobodyWaits())
    flight ??= begin(call.fetch)
    const joined = flight
    joined.waiting.add(call)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        joined.waiting.delete(call)
        call.signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        leave()
        reject(nobodyWaits())
        if (joined.waiting.size > 0) return
        if (flight === joined) flight = undefined
        joined.controller.abort()
      }
      call.signal.addEventListener('abort', onAbort, { once: true })
      joined.promise.then(resolve, reject).finally(leave)
    })
  }
}

function nobodyWaits(): ConnectError {
  return new ConnectError('Nobody waits for the answer any more', { code: 'aborted' })
}
