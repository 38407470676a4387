import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { LogLevel } from '../log.ts'
import { accept, refuse } from '../refusal.ts'
import { checkRetentionDays, createRetentionWork } from './retention-work.ts'

const dayMs = 86_400_000
beforeEach(() => void vi.useFakeTimers({ now: 100 * dayMs }))
afterEach(() => void vi.useRealTimers())

function logging() {
  const logged: string[] = []
  const log = (level: LogLevel, message: string, fields?: object) =>
    void logged.push(JSON.stringify({ level, message, ...fields }))
  return { log, logged }
}

it('drops what is older than so many days, soon after the start and then daily, until it is stopped', async () => {
  const asked: number[] = []
  const { log, logged } = logging()
  const prune = async (before: number) => {
    asked.push(before / dayMs)
    return accept({ dropped: asked.length === 1 ? 7 : 0, chains: 1, anchor: 'a.b.c' })
  }
  const worker = createRetentionWork({ days: 90, prune, now: Date.now, log, firstAfterMs: dayMs / 2 })
  worker.start()
  await vi.advanceTimersByTimeAsync(2.6 * dayMs)
  expect(asked).toEqual([10.5, 11.5, 12.5])
  await worker.stop()
  await vi.advanceTimersByTimeAsync(3 * dayMs)
  expect(asked).toHaveLength(3)
  expect(logged).toEqual([
    '{"level":"info","message":"old audit events were dropped","dropped":7,"chains":1}',
  ])
})

it('begins within the first hour unless told', async () => {
  const prune = vi.fn(async () => accept({ dropped: 0, chains: 0, anchor: null }))
  createRetentionWork({ days: 1, prune, ...logging(), now: Date.now }).start()
  await vi.advanceTimersByTimeAsync(3_600_000)
  expect(prune).toHaveBeenCalledTimes(1)
})

it('says why it dropped nothing, without the text of an unexpected error, and goes on', async () => {
  const { log, logged } = logging()
  const answers = [
    async () => refuse({ reason: 'conflict', message: 'The audit trail is not valid' }),
    () => Promise.reject(new Error('hush')),
  ]
  const prune = () => answers.shift()?.() ?? Promise.reject(new Error('too often'))
  const worker = createRetentionWork({ days: 1, prune, now: Date.now, log })
  await worker.runOnce()
  await worker.runOnce()
  expect(logged[0]).toContain('"problem":"The audit trail is not valid"')
  expect(logged[1]).toContain('"reason":"Error"')
  expect(logged.join()).not.toContain('hush')
})

it('stops a run half way when the broker stops, and complains of nothing', async () => {
  const { log, logged } = logging()
  const prune = (_before: number, signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  const work = createRetentionWork({ days: 1, prune, now: Date.now, log, firstAfterMs: 1 })
  work.start()
  await vi.advanceTimersByTimeAsync(1)
  await work.stop()
  expect(logged).toEqual([])
})

it('takes only whole days', () => {
  for (const days of [0, -1, 1.5, Number.NaN])
    expect(() => checkRetentionDays(days)).toThrow('auditRetentionDays')
  expect(() => checkRetentionDays(1)).not.toThrow()
})
