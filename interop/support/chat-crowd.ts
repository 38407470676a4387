import { followConsent } from '@valetkey/example-support'
import { type Client, createClient } from '@valetkey/sdk'
import { startDevelopment } from './broker.ts'
import { type ChatApi, startChatApi } from './chat-api.ts'
import { type ChatProvider, startChatProvider } from './chat-provider.ts'
import { chatCallback } from './chat-world.ts'
import { attach, createConnector, createWorkload } from './operator.ts'

export const crowdConnector = 'oauth/crowd'

/** What a person of the crowd is like. */
export interface Person {
  readonly user: string
  readonly consented: boolean
  /** Of their tokens. */
  readonly ttlSeconds: number
}

/** A broker, a provider and an API, and the one process in which all of the crowd chat. */
export interface ChatCrowd {
  readonly provider: ChatProvider
  readonly api: ChatApi
  readonly client: Client
  /** Agrees in the user's own browser; several may at once. */
  consent(started: { readonly url: string; readonly verifier: string }, user: string): Promise<void>
  close(): Promise<void>
}

/** Starts it all, with the grants of those who consented before. */
export async function startChatCrowd(people: readonly Person[]): Promise<ChatCrowd> {
  const ttlSeconds = new Map(people.map((person) => [person.user, person.ttlSeconds]))
  const users = people.map(({ user }) => user)
  const [broker, provider] = await Promise.all([
    startDevelopment(),
    startChatProvider(users, (user) => ttlSeconds.get(user) ?? 60),
  ])
  const api = await startChatApi(provider.whose)
  const identity = await createWorkload(broker.owner, 'crowd')
  await createConnector(broker.owner, 'oauth', 'crowd', { ...provider.data, origins: [api.origin] })
  await attach(broker.owner, crowdConnector, 'crowd', 'development', { subjects: ['user'] })
  const tokens = people
    .filter(({ consented }) => consented)
    .map(({ user }) => ({
      accessToken: `expired-${user}`,
      expiresAt: Date.now() - 1_000,
      refreshToken: provider.consented(user),
      subject: { type: 'user', id: user },
      environment: 'development',
      scopes: ['read'],
    }))
  const path = `/v1/connect/token/${encodeURIComponent(crowdConnector)}/import`
  const { imported } = await broker.owner.call<{ imported: number }>('POST', path, {
    project: 'crowd',
    tokens,
  })
  if (imported !== tokens.length) throw new Error('Not every grant was imported')
  const client = createClient({ url: broker.url, identity: () => identity })
  return {
    provider,
    api,
    client,
    async consent({ url, verifier }, user) {
      const arrived = await followConsent(url, chatCallback, (forms) => {
        const own = forms.find(({ fields }) => fields.user === user)
        return own ?? forms.find(({ fields }) => fields.user === undefined)
      })
      const request = arrived.searchParams.get('request') ?? ''
      const code = arrived.searchParams.get('code') ?? ''
      await client.completeAuthorization({ request, verifier, code, subject: { type: 'user', id: user } })
    },
    async close() {
      for (const each of [api, broker, provider]) await each.close()
    },
  }
}
