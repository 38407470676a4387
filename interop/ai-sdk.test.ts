import { createMCPClient } from '@ai-sdk/mcp'
import {
  type ConsentChallenge,
  connectTool,
  connectTransport,
  getConsentChallenge,
  isConsentRequired,
} from '@valetkey/ai-sdk'
import { generateText, isStepCount, type ModelMessage, streamText } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { modelUsing, resultsSeenBy, scriptedModel, seenBy } from './support/chat-model.ts'
import { type ChatWorld, chatCallback, chatConnector, startChatWorld } from './support/chat-world.ts'
import { until } from './support/until.ts'

let world: ChatWorld
/** By user: what the app keeps in their sessions. */
const sessions = new Map<string, ConsentChallenge>()
let people = 0

beforeAll(async () => {
  world = await startChatWorld()
})
afterAll(() => world.close())

/** The tool of the chat application: whose notes they are comes from the context. */
function notesTool(more: { onMissingConsent?: 'throw'; deviceCode?: boolean } = {}) {
  return connectTool({
    client: world.client,
    connector: chatConnector,
    description: 'Reads the note of the user',
    inputSchema: z.object({ about: z.string().optional() }),
    contextSchema: z.object({ userId: z.string() }),
    params: ({ userId }) => ({ subject: { type: 'user', id: userId } }),
    callbackUrl: chatCallback,
    onConsentRequired: (challenge, { userId }) => void sessions.set(userId, challenge),
    ...more,
    async execute(_input, { fetch, context }) {
      const response = await fetch(`${world.api.origin}/users/${context.userId}/note`)
      if (!response.ok) throw new Error(`The notes answered ${response.status}`)
      return (await response.json()) as { user: string; note: string }
    },
  })
}

/** Somebody new; with `consented`, somebody who has agreed before. */
async function newUser(consented = false): Promise<string> {
  const user = `person-${++people}`
  if (consented) {
    const params = { subject: { type: 'user', id: user } } as const
    const began = await world.client.startAuthorization(chatConnector, params, { callbackUrl: chatCallback })
    await world.consent(began, user)
  }
  return user
}

function challengeOf(user: string): ConsentChallenge {
  const challenge = sessions.get(user)
  if (challenge === undefined) throw new Error('The app was not told of the consent')
  return challenge
}

/** One turn of a chat, by `generateText`. */
async function generate(user: string, notes = notesTool(), model = modelUsing({ tool: 'notes' })) {
  const result = await generateText({
    model,
    prompt: 'What is in my notes?',
    tools: { notes },
    toolsContext: { notes: { userId: user } },
    stopWhen: isStepCount(3),
  })
  return {
    model,
    result,
    outputs: result.steps.flatMap((step) => step.toolResults.map(({ output }) => output)),
  }
}

/** One turn of a chat, by `streamText`. */
async function stream(user: string, notes = notesTool(), model = modelUsing({ tool: 'notes' })) {
  const result = streamText({
    model,
    prompt: 'What is in my notes?',
    tools: { notes },
    toolsContext: { notes: { userId: user } },
    stopWhen: isStepCount(3),
  })
  const outputs: unknown[] = []
  for await (const part of result.stream) if (part.type === 'tool-result') outputs.push(part.output)
  return { model, outputs }
}

const secretsOf = (user: string) => {
  const { url, request, verifier, deviceCode = verifier } = challengeOf(user)
  return [url, request, verifier, deviceCode]
}

describe.each([
  ['generateText', generate],
  ['streamText', stream],
] as const)('connectTool in %s', (_name, chat) => {
  it('calls the API with the token of the user in the context, and shows the model only the answer', async () => {
    const user = await newUser(true)
    const { model, outputs } = await chat(user)
    expect(outputs).toEqual([{ user, note: `the note of ${user}` }])
    expect(resultsSeenBy(model)).toEqual([{ type: 'json', value: { user, note: `the note of ${user}` } }])
    expect(seenBy(model)).not.toContain(
      await world.client.getToken(chatConnector, { subject: { type: 'user', id: user } }),
    )
  })

  it('takes no user from the model', async () => {
    const [user, other] = [await newUser(true), await newUser(true)]
    const input = { about: other, userId: other, subject: { type: 'user', id: other } }
    const { outputs } = await chat(user, notesTool(), modelUsing({ tool: 'notes', input }))
    expect(outputs).toEqual([{ user, note: `the note of ${user}` }])
    expect(world.api.crossings).toEqual([])
  })

  it('asks for consent, and runs once it is given and completed', async () => {
    const user = await newUser()
    const asked = await chat(user, notesTool({ deviceCode: true }))
    const [output] = asked.outputs
    if (!isConsentRequired(JSON.parse(JSON.stringify(output)))) throw new Error('No consent was asked for')
    expect(output).toMatchObject({ url: challengeOf(user).url, deviceCode: expect.any(String) })
    expect(JSON.stringify(output)).not.toContain(challengeOf(user).verifier)
    expect(resultsSeenBy(asked.model)).toEqual([
      { type: 'text', value: expect.stringMatching(/^The user has not given access yet/) },
    ])
    for (const secret of secretsOf(user)) expect(seenBy(asked.model)).not.toContain(secret)

    // Before it is completed nothing has changed, but for another consent.
    expect(isConsentRequired((await chat(user)).outputs[0])).toBe(true)
    await world.consent(challengeOf(user), user)
    expect((await chat(user)).outputs).toEqual([{ user, note: `the note of ${user}` }])
  })

  it('names the tool call in the audit event of the exchange', async () => {
    const user = await newUser(true)
    const id = `call-of-${user}`
    await chat(user, notesTool(), modelUsing({ tool: 'notes', id }))
    const trail = (await world.broker.owner.exportTrail()).map((event) => JSON.stringify(event))
    const events = trail.filter((event) => event.includes(id))
    expect(events.length).toBeGreaterThan(0)
    expect(events.every((event) => event.includes(user))).toBe(true)
  })

  it('has a rejected token replaced within the call', async () => {
    const user = await newUser(true)
    world.oidc.reject(await world.client.getToken(chatConnector, { subject: { type: 'user', id: user } }))
    const before = world.exchanges.length
    expect((await chat(user)).outputs).toEqual([{ user, note: `the note of ${user}` }])
    expect(world.exchanges.slice(before)).toMatchObject([{ rejectedTokenId: expect.any(String) }])
  })

  it('asks for consent again where the provider has ended it', async () => {
    const user = await newUser(true)
    const params = { subject: { type: 'user', id: user } } as const
    world.oidc.reject(await world.client.getToken(chatConnector, params))
    await world.client.revokeToken(chatConnector, params)
    expect(isConsentRequired((await chat(user)).outputs[0])).toBe(true)
  })
})

describe('connectTool', () => {
  it('runs several tools of a step side by side, for whoever each is for', async () => {
    const [ann, bob] = [await newUser(true), await newUser(true)]
    const model = modelUsing({ tool: 'ofAnn' }, { tool: 'ofBob' }, { tool: 'ofAnn' })
    const { steps } = await generateText({
      model,
      prompt: 'Both notes, please',
      tools: { ofAnn: notesTool(), ofBob: notesTool() },
      toolsContext: { ofAnn: { userId: ann }, ofBob: { userId: bob } },
      stopWhen: isStepCount(2),
    })
    const users = steps[0]?.toolResults.map(({ output }) => (output as { user: string }).user)
    expect(users).toEqual([ann, bob, ann])
  })

  it('ends the exchange and the request when the call is aborted', async () => {
    const user = await newUser(true)
    const controller = new AbortController()
    let reached = false
    world.api.hold = (request) => {
      if (request.user !== user) return undefined
      reached = true
      return new Promise((resolve) => setTimeout(resolve, 10_000).unref())
    }
    const running = generateText({
      model: modelUsing({ tool: 'notes' }),
      prompt: 'Go',
      tools: { notes: notesTool() },
      toolsContext: { notes: { userId: user } },
      abortSignal: controller.signal,
      stopWhen: isStepCount(2),
    }).then(
      () => 'ended',
      (error: unknown) => error,
    )
    await until('the API has the request', () => reached)
    controller.abort()
    expect(await running).toMatchObject({ name: 'AbortError' })
    world.api.hold = () => undefined

    const before = world.exchanges.length
    const aborted = notesTool().execute(
      {},
      { toolCallId: 'c', messages: [], context: { userId: 'nobody' }, abortSignal: AbortSignal.abort() },
    )
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' })
    expect(world.exchanges.length).toBe(before)
  })

  it('ends a request that hangs with the time the framework gives a tool', async () => {
    const { steps } = await generateText({
      model: modelUsing({ tool: 'slow' }),
      prompt: 'Go',
      tools: {
        slow: connectTool({
          client: world.client,
          connector: chatConnector,
          inputSchema: z.object({}),
          params: { subject: { type: 'app' } },
          execute: async (_input, { fetch, abortSignal }) => {
            world.api.hold = () => new Promise((resolve) => setTimeout(resolve, 10_000).unref())
            expect(abortSignal).toBeInstanceOf(AbortSignal)
            return (await fetch(`${world.api.origin}/users/app/note`)).status
          },
        }),
      },
      timeout: { toolMs: 300 },
      stopWhen: isStepCount(2),
    })
    world.api.hold = () => undefined
    expect(steps[0]?.content.map(({ type }) => type)).toEqual(['tool-call', 'tool-error'])
  })

  it('exchanges nothing for a call that is not approved, and runs once when it is', async () => {
    const user = await newUser(true)
    const options = {
      tools: { notes: notesTool() },
      toolsContext: { notes: { userId: user } },
      toolApproval: { notes: 'user-approval' },
      stopWhen: isStepCount(3),
    } as const
    const requests = () => world.api.requests.filter((request) => request.user === user).length
    for (const approved of [false, true]) {
      const before = [world.exchanges.length, requests()] as const
      const messages: ModelMessage[] = [{ role: 'user', content: 'What is in my notes?' }]
      const first = await generateText({ model: modelUsing({ tool: 'notes' }), messages, ...options })
      const request = first.content.find((part) => part.type === 'tool-approval-request')
      if (request === undefined) throw new Error('No approval was asked for')
      expect([world.exchanges.length, requests()]).toEqual(before)
      messages.push(...first.responseMessages, {
        role: 'tool',
        content: [{ type: 'tool-approval-response', approvalId: request.approvalId, approved }],
      })
      const model = scriptedModel(() => 'Done.')
      await generateText({ model, messages, ...options })
      expect([world.exchanges.length - before[0], requests() - before[1]]).toEqual(approved ? [1, 1] : [0, 0])
      expect(resultsSeenBy(model)).toMatchObject([{ type: approved ? 'json' : 'execution-denied' }])
    }
  })

  it('throws for a missing consent where that is wanted: the framework’s tool error leads to the challenge', async () => {
    const user = await newUser()
    const { model, result } = await generate(user, notesTool({ onMissingConsent: 'throw' }))
    const failed = result.steps[0]?.content.find((part) => part.type === 'tool-error')
    expect(getConsentChallenge(failed?.error)?.url).toBe(challengeOf(user).url)
    expect(resultsSeenBy(model)).toEqual([
      {
        type: 'error-text',
        value: `ConsentRequiredError: The user has to consent to "${chatConnector}" first`,
      },
    ])
    for (const secret of secretsOf(user)) expect(seenBy(model)).not.toContain(secret)
  })

  it('tells the model of a refusal in words of its own', async () => {
    const model = modelUsing({ tool: 'elsewhere' })
    await generateText({
      model,
      prompt: 'Go',
      tools: {
        elsewhere: connectTool({
          client: world.client,
          connector: 'oauth/not-attached',
          inputSchema: z.object({}),
          params: { subject: { type: 'app' } },
          execute: (_input, { getToken }) => getToken(),
        }),
      },
      stopWhen: isStepCount(2),
    })
    expect(resultsSeenBy(model)).toEqual([
      { type: 'error-text', value: 'ConnectError: No access (forbidden): trying again does not help' },
    ])
  })
})

describe('an MCP client of @ai-sdk/mcp', () => {
  it('works beside connectTool, for the same user, with the tokens of the same connector', async () => {
    const user = await newUser(true)
    const params = { subject: { type: 'user', id: user } } as const
    const mcp = await createMCPClient({
      transport: {
        type: 'http',
        url: world.mcp.url,
        ...connectTransport(world.mcp.url, chatConnector, params, { client: world.client }),
      },
    })
    try {
      const before = world.exchanges.length
      const { steps } = await generateText({
        model: modelUsing({ tool: 'notes' }, { tool: 'whoami' }),
        prompt: 'Who am I, and what are my notes?',
        tools: { ...(await mcp.tools()), notes: notesTool() },
        toolsContext: { notes: { userId: user } },
        stopWhen: isStepCount(2),
      })
      const [notes, whoami] = steps[0]?.toolResults ?? []
      expect(notes?.output).toEqual({ user, note: `the note of ${user}` })
      expect(JSON.stringify(whoami?.output)).toContain(user)
      expect(world.exchanges.length - before).toBeLessThanOrEqual(1)
    } finally {
      await mcp.close()
    }
  })
})
