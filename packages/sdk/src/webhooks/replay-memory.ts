import { ConnectError } from '../errors/connect-error.ts'

const maxRemembered = 10_000

const remembered = /* @__PURE__ */ new Map<string, number>()

/**
 * Remembers `key` until `expiresAtMs` and says whether it was known before, within this process.
 *
 * Only keys of verified attestations come here, so that nobody else can fill it. When it is full all the same, nothing
 * is let in: forgetting one early would let that one in twice.
 */
export function rememberHere(key: string, expiresAtMs: number, nowMs: number): boolean {
  if (remembered.has(key)) return true
  if (remembered.size >= maxRemembered)
    for (const [known, endMs] of remembered) if (endMs <= nowMs) remembered.delete(known)
  if (remembered.size >= maxRemembered)
    throw new ConnectError('Too many webhooks in one minute to tell repeated ones apart', {
      code: 'unavailable',
    })
  remembered.set(key, expiresAtMs)
  return false
}
