import { ConsentRequiredError, getConsentChallenge, isConsentRequiredError } from '@valetkey/mcp'
import { isConnectError } from '@valetkey/sdk'
import { afterEach, describe, expect, it } from 'vitest'
import type { McpAsk, McpDriver, McpSession, Way } from './mcp-drivers.ts'
import { type McpProcess, type McpWorld, mcpCallback, mcpConnector } from './mcp-world.ts'
import { rejectionOf } from './rejection.ts'

const ways: readonly Way[] = ['connectTransport', 'connectAuthProvider']

/** What every client has to do, by both ways. `world` is called once a test has begun. */
export function describeMcpClient(driver: McpDriver, world: () => McpWorld): void {
  const open: McpSession[] = []
  afterEach(async () => {
    for (const session of open.splice(0)) await session.close()
  })

  async function connect(ask: McpAsk, server = world().server): Promise<McpSession> {
    const session = await driver.connect(driver.transport === 'sse' ? server.sseUrl : server.url, ask)
    open.push(session)
    return session
  }

  const paramsOf = (id: string) => ({ subject: { type: 'user', id } }) as const

  /** A process, and a user who has consented there. */
  async function consented(): Promise<{ process: McpProcess; user: string }> {
    const { newProcess, newUser, consent } = world()
    const [process, user] = [newProcess(), newUser()]
    const started = await process.client.startAuthorization(mcpConnector, paramsOf(user), {
      callbackUrl: mcpCallback,
    })
    const { url, request, verifier, expiresAt } = started
    const subject = { type: 'user', id: user } as const
    await consent(
      process.client,
      { connector: mcpConnector, subject, url, request, verifier, expiresAt },
      user,
    )
    process.asked.length = 0
    return { process, user }
  }

  const exchangesOf = ({ asked }: McpProcess) => asked.filter(({ path }) => path.includes('/token/'))
  const startsOf = ({ asked }: McpProcess) => asked.filter(({ path }) => path.includes('/authorize/'))

  const connectAndCall = async (ask: McpAsk) => (await connect(ask)).call('whoami')

  /** Calls; where a provider alone cannot have the request repeated, once more, as the error says. */
  async function callAsTold(ask: McpAsk): Promise<string> {
    if (ask.way === 'connectTransport') return connectAndCall(ask)
    const error = await rejectionOf(connectAndCall(ask))
    if (!hasRetryable(error)) throw error
    return connectAndCall(ask)
  }

  describe.each(ways)(`${driver.name}, %s`, (way) => {
    it('calls as the app and as a user, and the server never sees the identity (S21)', async () => {
      const { server, identity, newProcess } = world()
      server.requests.length = 0
      const app = newProcess()
      const asApp = await connect({ way, client: app.client, params: { subject: { type: 'app' } } })
      expect(await asApp.call('whoami')).toBe('app')
      const { process, user } = await consented()
      const asUser = await connect({ way, client: process.client, params: paramsOf(user) })
      expect(await asUser.call('whoami')).toBe(user)
      expect(exchangesOf(app)).toHaveLength(1)
      expect(server.requests.length).toBeGreaterThan(2)
      expect(JSON.stringify(server.requests)).not.toContain(identity)
    })

    it('asks for consent where there is none, and works once it is completed', async () => {
      const { server, consent, newProcess, newUser } = world()
      const [process, user] = [newProcess(), newUser()]
      const ask = { way, client: process.client, params: paramsOf(user) }
      server.requests.length = 0
      const error = await rejectionOf(connectAndCall(ask))
      const challenge = getConsentChallenge(error)
      expect(challenge).toMatchObject({ connector: mcpConnector, subject: paramsOf(user).subject })
      expect(startsOf(process)).toHaveLength(1)
      // Without a token there is nothing to say to the server.
      if (way === 'connectTransport') expect(server.requests).toEqual([])
      expect(server.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true)
      if (challenge === undefined) throw error
      await consent(process.client, challenge, user)
      expect(await (await connect(ask)).call('whoami')).toBe(user)
    })

    it('has a rejected token replaced by exactly one exchange that names it', async () => {
      const { oidc } = world()
      const { process, user } = await consented()
      oidc.reject(await process.client.getToken(mcpConnector, paramsOf(user)))
      const ask = { way, client: process.client, params: paramsOf(user) }
      expect(await callAsTold(ask)).toBe(user)
      const bodies = exchangesOf(process).map(({ body }) => body)
      expect(bodies).toHaveLength(2)
      expect(bodies[1]).toHaveProperty('rejectedTokenId', expect.any(String))
      expect(startsOf(process)).toEqual([])
    })

    it('has a token replaced that is rejected while connected', async () => {
      const { oidc } = world()
      const { process, user } = await consented()
      const session = await connect({ way, client: process.client, params: paramsOf(user) })
      expect(await session.call('whoami')).toBe(user)
      oidc.reject(await process.client.getToken(mcpConnector, paramsOf(user)))
      if (way === 'connectAuthProvider') {
        const error = await rejectionOf(session.call('whoami'))
        expect(hasRetryable(error)).toBe(true)
      }
      expect(await session.call('whoami')).toBe(user)
      expect(exchangesOf(process)).toHaveLength(2)
    })

    it('asks for consent when the replacement is rejected too, without a third exchange', async () => {
      const { oidc } = world()
      const { process, user } = await consented()
      const ask = { way, client: process.client, params: paramsOf(user) }
      const token = await process.client.getToken(mcpConnector, paramsOf(user))
      oidc.reject(token)
      oidc.reject(await process.client.getToken(mcpConnector, paramsOf(user), { rejectedToken: token }))
      expect(exchangesOf(process)).toHaveLength(2)
      const error = await rejectionOf(connectAndCall(ask))
      expect(getConsentChallenge(error)?.url).toContain('/consent/')
      expect(exchangesOf(process)).toHaveLength(2)
      expect(startsOf(process)).toHaveLength(1)
    })

    it('S23 sends nothing to a server that the MCP server names', async () => {
      const { oidc, hostile, sibling, newProcess } = world()
      const { process, user } = await consented()
      oidc.reject(await process.client.getToken(mcpConnector, paramsOf(user)))
      const withRejected = { way, client: process.client, params: paramsOf(user) }
      const withNone = { way, client: newProcess().client, params: paramsOf('nobody-consents') }
      for (const ask of [withRejected, withNone])
        await connect(ask, hostile).then(
          (session) => session.call('whoami'),
          () => undefined,
        )
      expect(hostile.requests.length).toBeGreaterThan(0)
      expect(sibling.requests).toEqual([])
    })

    if (driver.transport === 'sse') return
    it('S34 carries the token along on a redirect within the server, and not to another', async () => {
      const { server, elsewhere } = world()
      const { process, user } = await consented()
      const ask = { way, client: process.client, params: paramsOf(user) }
      elsewhere.requests.length = 0
      try {
        server.redirectTo = `${elsewhere.origin}/mcp`
        await rejectionOf(connectAndCall(ask))
        await rejectionOf(connectAndCall({ ...ask, redirects: 'follow' }))
        server.redirectTo = `${server.origin}/moved`
        if (driver.followsRedirects === true) expect(await connectAndCall(ask)).toBe(user)
      } finally {
        server.redirectTo = undefined
      }
      if (driver.followsAnywhere !== false) expect(elsewhere.requests.length).toBeGreaterThan(0)
      for (const { headers } of elsewhere.requests) expect(headers).not.toHaveProperty('authorization')
    })
  })

  if (driver.transport === 'http')
    it(`${driver.name}: asks for consent before anything is sent, where that is wanted`, async () => {
      const { server, newProcess, newUser } = world()
      const process = newProcess()
      server.requests.length = 0
      const ask = { way: 'connectAuthProvider', client: process.client, params: paramsOf(newUser()) } as const
      const error = await rejectionOf(connectAndCall({ ...ask, consent: 'eager' }))
      expect(getConsentChallenge(error)?.url).toContain('/consent/')
      expect(server.requests).toEqual([])
    })

  if (driver.stepsUp === true)
    it(`${driver.name}: a scope that is missing costs no token, and is not asked for in the user's name`, async () => {
      const { server } = world()
      const { process, user } = await consented()
      const ask = { way: 'connectTransport', client: process.client, params: paramsOf(user) } as const
      const session = await connect(ask)
      server.missingScope = 'admin'
      try {
        const error = await rejectionOf(session.call('whoami'))
        expect(error).toMatchObject({ code: 'provider_refused', retryable: false })
      } finally {
        server.missingScope = undefined
      }
      expect(await session.call('whoami')).toBe(user)
      expect(process.asked).toHaveLength(1)
    })

  it(`${driver.name}: nothing but MCP is sent to the server with connectTransport`, async () => {
    const { oidc, server } = world()
    const { process, user } = await consented()
    server.requests.length = 0
    const ask = { way: 'connectTransport', client: process.client, params: paramsOf(user) } as const
    oidc.reject(await process.client.getToken(mcpConnector, paramsOf(user)))
    await connectAndCall(ask)
    oidc.reject(await process.client.getToken(mcpConnector, paramsOf(user)))
    const error = await rejectionOf(connectAndCall(ask))
    expect(getConsentChallenge(error)).toBeDefined()
    const paths = new Set(server.requests.map(({ path }) => path.split('?')[0]))
    expect([...paths]).toEqual(driver.transport === 'sse' ? ['/sse', '/messages'] : ['/mcp'])
  })
}

/** True for a retryable error of the SDK, or one that has it as its cause. */
export function hasRetryable(error: unknown): boolean {
  if (isConsentRequiredError(error) || error instanceof ConsentRequiredError) return false
  if (isConnectError(error)) return error.retryable
  return error instanceof Error && hasRetryable(error.cause)
}
