import { createEmulator, type Emulator } from 'emulate'

/** Local stand-ins for GitHub and Slack that check tokens as the real ones do, and what an operator would know of them. */
export interface LocalServices {
  readonly github: { readonly url: string; readonly connector: object }
  readonly slack: { readonly apiUrl: string; readonly connector: object }
  close(): Promise<void>
}

const appId = 12_345
const botToken = 'xoxb-demo-bot-token'

/** Starts both: a GitHub App installed in `acme` for two repositories, and a Slack workspace with one bot. */
export async function startLocalServices(): Promise<LocalServices> {
  const github: Emulator = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      github: {
        users: [{ login: 'octocat' }],
        orgs: [{ login: 'acme' }],
        repos: [
          { owner: 'acme', name: 'website', private: true, auto_init: true },
          { owner: 'acme', name: 'payroll', private: true, auto_init: true },
        ],
        apps: [
          {
            app_id: appId,
            slug: 'mybot',
            name: 'My bot',
            permissions: { contents: 'write', metadata: 'read', issues: 'write' },
            installations: [
              {
                installation_id: 100,
                account: 'acme',
                repository_selection: 'all',
                permissions: { contents: 'write', metadata: 'read', issues: 'write' },
              },
            ],
          },
        ],
      },
    },
  })
  const slack: Emulator = await createEmulator({
    service: 'slack',
    port: 0,
    seed: {
      slack: {
        team: { name: 'Acme', domain: 'acme' },
        channels: [{ name: 'general' }],
        bots: [{ name: 'mybot' }],
        tokens: [{ token: botToken, user_id: 'U000000001', scopes: ['chat:write', 'channels:read'] }],
      },
    },
  })
  const privateKeyPem = github.generatedSecrets.find(
    (secret) => secret.kind === 'github.app_private_key',
  )?.value
  return {
    github: { url: github.url, connector: { appId, privateKeyPem, apiUrl: github.url, webUrl: github.url } },
    slack: { apiUrl: `${slack.url}/api`, connector: { botToken, apiUrl: `${slack.url}/api` } },
    async close() {
      await Promise.all([github.close(), slack.close()])
    },
  }
}
