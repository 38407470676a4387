import { describe, expect, it } from 'vitest'
import { createFakeFetch, runCommand } from '../testing/shell.ts'

const environment = { VALETKEY_URL: 'https://broker.example', VALETKEY_ACCESS_TOKEN: 'vk_owner' }
const answer = { dropped: 8, chains: 2, anchor: 'a.b.c' }
const broker = (given: object = answer) => createFakeFetch({ 'POST /v1/audit/retention': given })
const nowMs = 1_795_292_400_000

describe('audit prune', () => {
  it('drops what is older than so many days', async () => {
    const { fetch, requests } = broker()
    const argv = ['audit', 'prune', '--older-than', '90d', '--yes']
    const { code, stdout } = await runCommand(argv, { environment, fetch, now: () => nowMs })
    expect(code).toBe(0)
    expect(stdout).toContain('Dropped 8 events')
    expect(requests.map(({ body }) => body)).toEqual([{ before: nowMs - 90 * 86_400_000 }])
  })

  it('drops what is from before a date, and answers with one document', async () => {
    const { fetch, requests } = broker()
    const argv = ['audit', 'prune', '--before', '2026-01-01T00:00:00Z', '--yes', '--json']
    const { stdout } = await runCommand(argv, { environment, fetch })
    expect(JSON.parse(stdout)).toEqual(answer)
    expect(requests[0]?.body).toEqual({ before: Date.UTC(2026, 0, 1) })
  })

  it('says when there was nothing to drop', async () => {
    const { fetch } = broker({ dropped: 0, chains: 0, anchor: null })
    const { code, stdout } = await runCommand(['audit', 'prune', '--older-than', '1d', '--yes'], {
      environment,
      fetch,
    })
    expect([code, stdout]).toEqual([0, 'There was nothing to drop.\n'])
  })

  it('asks first on a terminal, and does nothing on any answer but yes', async () => {
    for (const [input, asked] of [
      ['n\n', 0],
      ['\n', 0],
      ['y\n', 1],
    ] as const) {
      const { fetch, requests } = broker()
      const argv = ['audit', 'prune', '--before', '1000']
      const { stderr, code } = await runCommand(argv, { environment, fetch, input, terminal: true })
      expect(stderr).toContain('audit events from before 1970-01-01 00:00:01Z')
      expect(requests).toHaveLength(asked)
      expect(code).toBe(asked === 1 ? 0 : 1)
    }
  })

  it.each([
    [['--older-than', '90d']],
    [['--yes']],
    [['--yes', '--before', '1', '--older-than', '1d']],
    [['--yes', '--older-than', '90']],
    [['--yes', '--older-than', '0d']],
    [['--yes', '--older-than', '-1d']],
    [['--yes', '--before', 'yesterday']],
  ])('is misuse, and asks nobody, with %j', async (flags) => {
    const { fetch, requests } = broker()
    const { code } = await runCommand(['audit', 'prune', ...flags], { environment, fetch })
    expect(code).toBe(2)
    expect(requests).toHaveLength(0)
  })
})

describe('audit verify of a trail that retention has shortened', () => {
  it('says how many events were dropped, and what shows that it was the broker', async () => {
    const verdict = { valid: true, events: 5, tail: 'unproven', dropped: 8 }
    const { fetch } = createFakeFetch({ 'POST /v1/audit/verify': verdict })
    const { code, stdout } = await runCommand(['audit', 'verify'], { environment, fetch })
    expect(code).toBe(0)
    expect(stdout).toContain(
      'Valid: 5 events, tail unproven; 8 older events were dropped under a signed anchor.',
    )
  })
})
