import { type ConsentChallenge, connectTool, isConsentRequired } from '@valetkey/ai-sdk'
import { generateText, isStepCount, streamText } from 'ai'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { type ChatCrowd, crowdConnector, type Person, startChatCrowd } from './support/chat-crowd.ts'
import { modelUsing, seenBy } from './support/chat-model.ts'
import { tokenPattern } from './support/chat-provider.ts'
import { chatCallback } from './support/chat-world.ts'
import { createRandom } from './support/seeded.ts'

const seed = 20_261_122
const rounds = 2

/** How a person's chat goes. All of it comes from the seed. */
interface Plan extends Person {
  /** Their tokens that the API rejects, one after the other. */
  readonly rejections: number
  readonly rounds: readonly {
    readonly pauseMs: number
    readonly abortMs: number | undefined
    readonly streams: boolean
  }[]
}

const random = createRandom(seed)
const plans: readonly Plan[] = Array.from({ length: 100 }, (_, index) => ({
  user: `user-${String(index).padStart(3, '0')}`,
  consented: random() > 0.15,
  ttlSeconds: random() < 0.3 ? 2 : 600,
  rejections: random() < 0.3 ? 1 : 0,
  rounds: Array.from({ length: rounds }, (_, round) => ({
    // First they come one by one; then those who pause for long find their token expired.
    pauseMs: random() * (round === 0 ? 4_000 : 2_000),
    abortMs: random() < 0.3 ? Math.round(random() * 40) : undefined,
    streams: random() < 0.5,
  })),
}))

let crowd: ChatCrowd
/** By user: what the app keeps in their sessions. */
const sessions = new Map<string, ConsentChallenge[]>()
const rejectionsLeft = new Map(plans.map(({ user, rejections }) => [user, rejections]))

beforeAll(async () => {
  crowd = await startChatCrowd(plans)
})
afterAll(() => crowd.close())

/** The one tool of all the chats. */
function defineTool() {
  return connectTool({
    client: crowd.client,
    connector: crowdConnector,
    description: 'Reads the note of the user',
    inputSchema: z.object({ marker: z.string() }),
    contextSchema: z.object({ userId: z.string() }),
    params: ({ userId }) => ({ subject: { type: 'user', id: userId } }),
    callbackUrl: chatCallback,
    timeoutMs: 30_000,
    onConsentRequired(challenge, { userId }) {
      sessions.set(userId, [...(sessions.get(userId) ?? []), challenge])
    },
    async execute({ marker }, { fetch, getToken, context }) {
      const left = rejectionsLeft.get(context.userId) ?? 0
      if (left > 0) {
        rejectionsLeft.set(context.userId, left - 1)
        crowd.provider.reject(await getToken())
      }
      const response = await fetch(`${crowd.api.origin}/users/${context.userId}/note`)
      if (!response.ok) throw new Error(`The notes answered ${response.status}`)
      return { marker, ...((await response.json()) as { user: string; note: string }) }
    },
  })
}

/** What became of one round of a chat. */
interface Round {
  readonly outputs: readonly unknown[]
  readonly errors: readonly unknown[]
  /** All that the model was sent. */
  readonly seen: string
}

async function chat(
  notes: ReturnType<typeof defineTool>,
  user: string,
  marker: string,
  streams: boolean,
  abortSignal?: AbortSignal,
): Promise<Round> {
  const [one, two] = [1, 2].map((part) => ({ tool: 'notes', input: { marker: `${marker}.${part}` } }))
  const model = modelUsing(...[one, two].filter((use) => use !== undefined))
  const options = {
    model,
    prompt: `I am ${user}, what is in my notes?`,
    tools: { notes },
    toolsContext: { notes: { userId: user } },
    stopWhen: isStepCount(2),
    maxRetries: 0,
    ...(abortSignal === undefined ? {} : { abortSignal }),
  }
  const outputs: unknown[] = []
  const errors: unknown[] = []
  const keep = (part: { type: string; output?: unknown; error?: unknown }) => {
    if (part.type === 'tool-result') outputs.push(part.output)
    if (part.type === 'tool-error' || part.type === 'error') errors.push(part.error)
  }
  if (streams) for await (const part of streamText({ ...options, onError: () => {} }).stream) keep(part)
  else for (const step of (await generateText(options)).steps) step.content.forEach(keep)
  return { outputs, errors, seen: seenBy(model) }
}

/** One person's chat, to its end; what must hold of every round is expected here. */
async function live(notes: ReturnType<typeof defineTool>, plan: Plan): Promise<void> {
  const { user } = plan
  let consented = plan.consented
  for (const [index, { pauseMs, abortMs, streams }] of plan.rounds.entries()) {
    await pause(pauseMs)
    if (abortMs !== undefined) {
      const gone = await chat(
        notes,
        user,
        `${user}.${index}.gone`,
        streams,
        AbortSignal.timeout(abortMs),
      ).catch(() => undefined)
      if (gone !== undefined) checkOwn(gone, user)
    }
    const marker = `${user}.${index}`
    let round = await chat(notes, user, marker, streams)
    checkOwn(round, user)
    if (!consented) {
      const [asked] = round.outputs
      if (!isConsentRequired(asked))
        throw new Error(`${user} was not asked for consent, but ${round.errors.map(String)}`)
      const challenge = sessions.get(user)?.find(({ url }) => url === asked.url)
      if (challenge === undefined) throw new Error(`The address ${user} was shown is not in their session`)
      await crowd.consent(challenge, user)
      consented = true
      round = await chat(notes, user, marker, streams)
      checkOwn(round, user)
    }
    expect(round.errors.map(String)).toEqual([])
    const note = { user, note: `the note of ${user}` }
    // In the order in which they ended, where they were streamed.
    expect(round.outputs.toSorted(byMarker)).toEqual([
      { marker: `${marker}.1`, ...note },
      { marker: `${marker}.2`, ...note },
    ])
  }
}

/** Nothing of anybody else, and no token or address, whatever the round came to. */
function checkOwn({ outputs, seen }: Round, user: string): void {
  const own = new Set((sessions.get(user) ?? []).map(({ url }) => url))
  for (const output of outputs) if (isConsentRequired(output)) expect(own).toContain(output.url)
  const shown = JSON.stringify([outputs, seen])
  expect(new Set(shown.match(/user-\d{3}/g))).toEqual(new Set([user]))
  expect(shown).not.toMatch(tokenPattern)
  for (const { url, request, verifier } of sessions.get(user) ?? []) {
    for (const secret of [url, request, verifier]) expect(seen).not.toContain(secret)
    expect(shown).not.toContain(verifier)
  }
}

function byMarker(one: unknown, other: unknown): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it(`keeps a hundred chats of a hundred users apart in one process (seed ${seed})`, {
  timeout: 90_000,
}, async () => {
  const notes = defineTool()
  const outcomes = await Promise.allSettled(plans.map((plan) => live(notes, plan)))
  const failures = outcomes.flatMap((each) =>
    each.status === 'rejected' ? [String(each.reason?.actual ?? each.reason)] : [],
  )
  expect(failures).toEqual([])
  expect(crowd.api.crossings).toEqual([])

  // The test is worth something only if all of it came about.
  const people = (holds: (plan: Plan) => boolean) => plans.filter(holds).length
  expect(people(({ consented }) => !consented)).toBeGreaterThan(8)
  expect(people(({ ttlSeconds }) => ttlSeconds === 2)).toBeGreaterThan(20)
  expect(people((plan) => plan.rounds.some(({ abortMs }) => abortMs !== undefined))).toBeGreaterThan(20)
  expect(crowd.api.requests.filter(({ bearer }) => bearer === undefined).length).toBeGreaterThan(20)
  expect([...rejectionsLeft.values()].every((left) => left === 0)).toBe(true)
})
