import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askedBy, decide, type EveWorld, outcomesOf, startEveWorld } from './support/eve-world.ts'

describe("eve's development server with @valetkey/eve", () => {
  let world: EveWorld
  beforeAll(async () => {
    world = await startEveWorld()
    // eve compiles the agent first, which takes half a minute where other tests run beside it.
  }, 120_000)
  afterAll(() => world?.close())

  /** A session of a user who has agreed as the account of the same name, after its first answer. */
  async function connected(user: string) {
    const session = await world.start(user)
    await decide(await session.next('authorization.required'), user)
    const answered = await session.next('message.completed')
    await session.next('session.waiting')
    return { session, answered }
  }

  it('asks for consent, which says for whom it is, and runs the tool once it is given', async () => {
    const session = await world.start('ann')
    const required = await session.next('authorization.required')
    const { authorization, principalId } = askedBy(required)
    expect(principalId).toBe('ann')
    expect(authorization).toMatchObject({ displayName: 'Notes', expiresAt: expect.any(String) })
    expect(authorization.url.startsWith(`${world.broker.url}/consent/`)).toBe(true)
    const page = (await (await fetch(authorization.url)).text()).replace(/<[^>]*>/g, '')
    expect(page).toContain('assistant, in its development environment')
    expect(page).toContain('knows as ann named by https://app.example')
    expect(page).toContain('Agreeing gives assistant access at once')
    expect(world.notes.calls).toEqual([])

    const complete = await decide(required, 'ann')
    expect(await complete.text()).toContain('Authorization complete')
    const answered = await session.next('message.completed')
    expect(answered.data.message).toContain('These are the notes of ann')
    expect(outcomesOf(session)).toEqual(['authorized'])
  })

  it('renews a token that the MCP server rejects, once, before consent is asked for again', async () => {
    const { session } = await connected('bob')
    const rejected = world.notes.calls.at(-1)?.token
    world.notes.rejects = ({ token }) => token === rejected
    await session.send('Once more')
    expect((await session.next('message.completed')).data.message).toContain('These are the notes of bob')
    expect(world.notes.calls.at(-1)).toMatchObject({
      account: 'bob',
      token: expect.not.stringMatching(`${rejected}`),
    })
    expect(session.events.filter(({ type }) => type === 'authorization.required')).toHaveLength(1)

    const before = world.notes.rejections.length
    world.notes.rejects = ({ account }) => account === 'bob'
    await session.send('And again')
    await session.next('authorization.required')
    const tried = new Set(world.notes.rejections.slice(before).map(({ token }) => token))
    expect(tried.size).toBe(2)
    world.notes.rejects = () => false
  })

  it('ends a denial as a denial', async () => {
    const session = await world.start('cas')
    const denied = await decide(await session.next('authorization.required'), undefined)
    expect(await denied.text()).toContain('Nothing was connected')
    await session.send('Never mind')
    await session.next('authorization.required')
    expect(outcomesOf(session)).toEqual(['declined'])
    expect(world.notes.calls.filter(({ account }) => account === 'cas')).toEqual([])
  })

  it('believes nothing that calls back, and asks the issuing point', async () => {
    const session = await world.start('dee')
    const { webhookUrl, authorization } = askedBy(await session.next('authorization.required'))
    const request = authorization.url.split('/').at(-1) ?? ''
    await fetch(`${webhookUrl}?${new URLSearchParams({ request, code: 'made-up', token: 'made-up' })}`)
    const result = await session.next('action.result')
    expect(result.data).toMatchObject({
      status: 'failed',
      error: { name: 'ConnectionAuthorizationFailedError' },
    })
    expect((await session.next('message.completed')).data.message).toContain('was not decided')
    // eve 0.80 says so before it has asked anybody. Red when eve waits for the outcome: then the README has to change.
    expect(outcomesOf(session)).toEqual(['authorized'])
    expect(world.notes.calls.filter(({ account }) => account === 'dee')).toEqual([])
  })

  it('never gives one user the token of another', async () => {
    const ann = await world.start('ann')
    const eli = await world.start('eli')
    await decide(await eli.next('authorization.required'), 'eli')
    expect((await eli.next('message.completed')).data.message).toContain('These are the notes of eli')
    expect((await ann.next('message.completed')).data.message).toContain('These are the notes of ann')
    await Promise.all([ann.send('Again'), eli.send('Again')])
    expect((await ann.next('message.completed')).data.message).toContain('These are the notes of ann')
    expect((await eli.next('message.completed')).data.message).toContain('These are the notes of eli')
    expect(ann.events.filter(({ type }) => type === 'authorization.required')).toEqual([])
  })

  it('leaves no token in what eve prints or writes, and prints no verifier', async () => {
    const written = await world.written()
    // The request, so that the search is known to reach what eve keeps.
    expect(written).toMatch(/"ask_[\w-]{10,}"/)
    const tokens = [...world.notes.calls, ...world.notes.rejections].map(({ token }) => token)
    expect(tokens.length).toBeGreaterThan(5)
    expect(tokens.filter((token) => written.includes(token) || world.log().includes(token))).toEqual([])
    const verifiers = [...written.matchAll(/"ask_[\w-]{10,}","([\w-]{40,})"/g)].map(
      ([, verifier = '']) => verifier,
    )
    expect(verifiers.length).toBeGreaterThan(0)
    expect(verifiers.filter((verifier) => world.log().includes(verifier))).toEqual([])
  })
})
