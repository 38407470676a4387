import { generateKeyPairSync } from 'node:crypto'
import type { ConsentDriver, ConsentStart, GrantCredential, RotatedTokens } from '../../consent.ts'
import type { ConnectorSettings, ProviderAccess } from '../../driver.ts'
import { accessAt, type FakeAnswer, type FakeProvider, type SeenRequest, serve } from '../../test-server.ts'
import { oauthDriver } from './oauth.ts'

/** The time at which the fake servers live. */
export const now: number = Date.parse('2026-11-21T12:00:00Z')
export const access: ProviderAccess = accessAt(now)
export const clientSecret = 'client-secret-of-the-test'
/** What a server says and nobody may repeat. */
export const upstreamWords = 'upstream words with rt-leaked'
export const consent: Required<ConsentDriver> = requireConsent(oauthDriver.consent)
export const privateKeyPem: string = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs1', format: 'pem' })
  .toString()

export const start: ConsentStart = {
  kind: 'user',
  redirectUri: 'https://broker.example/callback',
  state: 'the-state',
  scopes: ['read'],
  resources: [],
  audience: [],
  authorizationDetails: [],
  additionalParams: {},
}
export const credential: GrantCredential = {
  accessToken: 'at-1',
  accessExpiresAtMs: now,
  refreshToken: 'rt-1',
  refreshExpiresAtMs: now + 1,
  granted: { scopes: ['read', 'write'], resources: ['https://api.example'], authorizationDetails: [] },
  extra: { resources: ['https://api.example'], audience: [], redirectUri: start.redirectUri },
}

const running: FakeProvider[] = []

/** Ends every server that {@link fake} started. */
export async function closeFakes(): Promise<void> {
  for (const provider of running.splice(0)) await provider.close()
}

/** A server that does as told: what no real one does on demand. */
export async function fake(answers: Record<string, FakeAnswer>): Promise<FakeProvider> {
  const server = await serve((request) => answers[request.path.split('?')[0] ?? ''])
  running.push(server)
  return server
}

/** The settings of a connector to the server at `url`. */
export function settingsAt(url: string, data: object = {}): ConnectorSettings {
  return oauthDriver.parseSettings({
    serverConfig: {
      authorizationEndpoint: `${url}/authorize`,
      tokenEndpoint: `${url}/token`,
      revocationEndpoint: `${url}/revoke`,
    },
    clientId: 'client-1',
    clientSecret,
    ...data,
  })
}

/** A connector whose token endpoint gives `answer`. */
export async function tokenAnswer(
  answer: FakeAnswer,
  data: object = {},
): Promise<{ readonly server: FakeProvider; readonly settings: ConnectorSettings }> {
  const server = await fake({ '/token': answer })
  return { server, settings: settingsAt(server.url, data) }
}

/** A refresh that is given `answer`: what was kept, what came of it, and what was sent. */
export async function refreshWith(
  answer: FakeAnswer,
  data: object = {},
): Promise<{ readonly kept: RotatedTokens[]; readonly result: unknown; readonly body: URLSearchParams }> {
  const { server, settings } = await tokenAnswer(answer, data)
  const kept: RotatedTokens[] = []
  const keep = async (rotated: RotatedTokens) => void kept.push(rotated)
  const result = await consent.refresh(settings, credential, access, keep).catch((error: unknown) => error)
  return { kept, result, body: new URLSearchParams(server.seen[0]?.body) }
}

/** A consent whose callback has `query`, and whose code is answered with `answer`. */
export async function finishWith(
  answer: FakeAnswer,
  query: string,
  data: object = {},
): Promise<{ readonly seen: readonly SeenRequest[]; readonly finished: unknown }> {
  const { server, settings } = await tokenAnswer(answer, data)
  const started = await consent.start(settings, start, access)
  if ('outcome' in started) throw new Error('not started')
  const url = new URL(`${start.redirectUri}?${query}`)
  const callback = { url, start, pending: started.pending }
  const finished = await consent.finish(settings, callback, access).catch((error: unknown) => error)
  return { seen: server.seen, finished }
}

function requireConsent(driver: ConsentDriver | undefined): Required<ConsentDriver> {
  if (driver?.refresh === undefined || driver.endGrant === undefined) throw new Error('no consent')
  const { scopeTitles, scopeTitlesOf, titleOf, refresh, endGrant } = driver
  if (scopeTitles === undefined || scopeTitlesOf === undefined || titleOf === undefined)
    throw new Error('no titles')
  return { ...driver, scopeTitles, scopeTitlesOf, titleOf, refresh, endGrant }
}
