import { createEmulator, type Emulator } from 'emulate'

const oauthApp = { client_id: 'valetkey', client_secret: 'a-secret-of-the-operator' }
const people = ['ann', 'bob'].map((name) => ({ id: name, name, email: `${name}@example.com` }))

/** A local stand-in for Linear, with two people and an issue for each. */
export interface LocalLinear {
  readonly url: string
  /** What an operator would enter. */
  readonly connector: object
  /** Enters the broker's callback in the settings of the OAuth application. */
  register(callback: string): Promise<void>
  close(): Promise<void>
}

/** Starts it. */
export async function startLinear(): Promise<LocalLinear> {
  let linear = await start(0, [])
  const { url } = linear
  return {
    url,
    connector: {
      clientId: oauthApp.client_id,
      clientSecret: oauthApp.client_secret,
      webUrl: url,
      apiUrl: url,
    },
    async register(callback) {
      await linear.close()
      linear = await start(Number(new URL(url).port), [callback])
    },
    close: () => linear.close(),
  }
}

function start(port: number, redirectUris: readonly string[]): Promise<Emulator> {
  return createEmulator({
    service: 'linear',
    port,
    seed: {
      linear: {
        users: people,
        teams: [{ key: 'APP', name: 'App', states: [{ name: 'Todo', type: 'unstarted' }] }],
        issues: people.map(({ name, email }) => ({
          team: 'APP',
          title: `What ${name} has to do`,
          state: 'Todo',
          assignee: email,
        })),
        oauth_apps: [
          { ...oauthApp, name: 'Valetkey', redirect_uris: [...redirectUris], scopes: ['read', 'write'] },
        ],
        strict_scopes: true,
      },
    },
  })
}
