import { createEmulator, type Emulator } from 'emulate'

const oauthClient = { client_id: 'valetkey', client_secret: 'a-secret-of-the-operator', name: 'Valetkey' }

/** A local stand-in for Google, with two people and a calendar each. */
export interface LocalGoogle {
  readonly url: string
  /** What an operator would enter. */
  readonly connector: object
  /** Registers the broker's callback with the OAuth client, as in Google's console. */
  register(callback: string): Promise<void>
  close(): Promise<void>
}

/** Starts it. */
export async function startGoogle(): Promise<LocalGoogle> {
  let google = await start(0, [])
  const { url } = google
  return {
    url,
    connector: {
      clientId: oauthClient.client_id,
      clientSecret: oauthClient.client_secret,
      webUrl: url,
      apiUrl: `${url}/oauth2`,
    },
    async register(callback) {
      await google.close()
      google = await start(Number(new URL(url).port), [callback])
    },
    close: () => google.close(),
  }
}

function start(port: number, redirectUris: readonly string[]): Promise<Emulator> {
  const people = ['ann', 'bob'].map((name) => ({ name, email: `${name}@example.com` }))
  return createEmulator({
    service: 'google',
    port,
    seed: {
      google: {
        users: people.map(({ name, email }) => ({ name, email, email_verified: true })),
        oauth_clients: [{ ...oauthClient, redirect_uris: [...redirectUris] }],
        calendars: people.map(({ email }) => ({
          id: 'primary',
          user_email: email,
          summary: email,
          primary: true,
        })),
        calendar_events: people.map(({ name, email }) => ({
          id: `lunch_${name}`,
          user_email: email,
          calendar_id: 'primary',
          summary: `Lunch of ${name}`,
          start_date_time: '2026-11-23T12:00:00.000Z',
          end_date_time: '2026-11-23T13:00:00.000Z',
        })),
      },
    },
  })
}
