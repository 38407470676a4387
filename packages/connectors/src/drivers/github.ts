import { z } from 'zod'
import {
  type CheckedSettings,
  type ConnectorSettings,
  type Driver,
  type DriverBehaviour,
  InvalidSettings,
  type MintedToken,
  type MintRefusal,
  type MintRequest,
  type ProviderAccess,
  ProviderFault,
} from '../driver.ts'
import { readAnswer, unexpectedAnswer } from '../http.ts'
import { refused, refuseUnsupported } from '../refusal.ts'
import {
  address,
  jsonSchemaOf,
  mergeFields,
  parseFields,
  plainText,
  requireSecretsAgain,
  shownText,
} from '../settings.ts'
import { gitHubApi, provider } from './github-api.ts'
import { githubConsent } from './github-consent.ts'
import {
  holdInstallationDetail,
  type InstallationDetail,
  installationDetailType,
  normalizeInstallationDetail,
} from './github-detail.ts'
import { chooseInstallation } from './github-installation.ts'
import { parsePrivateKey, signAppToken } from './github-key.ts'
import { createInstallationToken } from './github-token.ts'

const behaviour: DriverBehaviour = {
  subjects: ['app', 'user'],
  narrows: {
    scopes: false,
    resources: false,
    audience: false,
    authorizationDetails: [installationDetailType],
    installationId: true,
  },
  usersTokensAreWhole: true,
  standing: false,
  callsProvider: true,
  revokesTokens: true,
}

const appNumber = 'must be the number of the GitHub App'

const settings = z.strictObject({
  appId: z
    .union([z.int(appNumber).positive(appNumber), z.string().regex(/^[1-9]\d{0,15}$/, appNumber)], {
      error: (issue) => (issue.input === undefined ? 'is required' : appNumber),
    })
    .transform(String),
  appSlug: plainText()
    .regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be the name in the URL of the app')
    .optional(),
  clientId: plainText().optional(),
  clientSecret: plainText().optional(),
  privateKeyPem: z
    .string({ error: (issue) => (issue.input === undefined ? 'is required' : 'must be text') })
    .max(32_768, 'is too long'),
  webhookSecret: plainText().optional(),
  apiUrl: address().default('https://api.github.com'),
  webUrl: address().default('https://github.com'),
})

const stored = z.object({ appId: z.string(), apiUrl: z.string(), privateKeyPem: z.string() })

const appShape = z.object({
  id: z.number().int(),
  slug: shownText(),
  name: shownText(),
  owner: z.object({ login: shownText() }).nullish(),
})

/** A GitHub App: one-hour tokens of one installation, narrowed by GitHub to repositories and permissions. */
export const githubDriver: Driver = {
  service: 'github',
  type: 'github',
  title: 'GitHub',
  behaviour,
  dataSchema: jsonSchemaOf(settings),
  secretFields: ['privateKeyPem', 'clientSecret', 'webhookSecret'],
  parseSettings,
  mergeSettings,
  check,
  clientUrl: (configuration) => (typeof configuration.webUrl === 'string' ? configuration.webUrl : undefined),
  normalizeDetail: normalizeInstallationDetail,
  holdDetail: holdInstallationDetail,
  isFullAccess: (details) =>
    details.length === 0 ||
    details.some(({ repositories, permissions }) => repositories === undefined && permissions === undefined),
  mint,
  consent: githubConsent,
  revokeToken,
}

function parseSettings(data: unknown): ConnectorSettings {
  const { privateKeyPem, clientSecret, webhookSecret, ...configuration } = parseFields(settings, data)
  return {
    configuration,
    secrets: {
      privateKeyPem: parsePrivateKey(privateKeyPem),
      ...(clientSecret === undefined ? {} : { clientSecret }),
      ...(webhookSecret === undefined ? {} : { webhookSecret }),
    },
  }
}

function mergeSettings(current: ConnectorSettings, data: unknown): ConnectorSettings {
  const merged = parseSettings(mergeFields(current, data, Object.keys(settings.shape)))
  // The app's JWT goes to apiUrl and mints tokens there; the client's secret goes to both.
  requireSecretsAgain(current, merged, data, {
    places: ['apiUrl'],
    secrets: ['privateKeyPem', 'clientSecret'],
  })
  requireSecretsAgain(current, merged, data, { places: ['webUrl'], secrets: ['clientSecret'] })
  return merged
}

async function check(current: ConnectorSettings, access: ProviderAccess): Promise<CheckedSettings> {
  const app = stored.parse({ ...current.configuration, ...current.secrets })
  const api = gitHubApi(access, app.apiUrl, await signAppToken(app.appId, app.privateKeyPem, access.now()))
  const answer = await api('GET', '/app')
  if (answer.status === 401 || answer.status === 404)
    throw new InvalidSettings('GitHub does not accept privateKeyPem as a key of the app that appId names')
  if (answer.status >= 400) throw new InvalidSettings(`GitHub refused the app (status ${answer.status})`)
  const found = readAnswer(provider, answer, appShape)
  if (String(found.id) !== app.appId)
    throw new InvalidSettings('GitHub knows privateKeyPem as a key of another app than appId names')
  const facts = { appSlug: found.slug, appName: found.name, appOwner: found.owner?.login }
  return { configuration: Object.fromEntries(Object.entries(facts).filter(([, fact]) => fact !== undefined)) }
}

async function mint(
  current: ConnectorSettings,
  request: MintRequest,
  access: ProviderAccess,
): Promise<MintedToken | MintRefusal> {
  const unsupported = refuseUnsupported(behaviour, request)
  if (unsupported !== undefined) return unsupported
  if (request.subject.type === 'user')
    return refused('no_credential', 'A token of a user comes from the consent of that user')
  const credential = stored.safeParse({ ...current.configuration, ...current.secrets })
  if (!credential.success) return refused('no_credential', 'This connector holds no key of a GitHub App')
  const { appId, apiUrl, privateKeyPem } = credential.data
  const chosen = onlyDetail(request)
  if ('outcome' in chosen) return chosen
  const asked = chosen.detail
  const api = gitHubApi(access, apiUrl, await signAppToken(appId, privateKeyPem, access.now()))
  const installation = await chooseInstallation(api, request.installationId, asked?.org)
  if ('outcome' in installation) return installation
  const issued = await createInstallationToken(api, installation, asked, (token) =>
    revokeToken(current, token, access),
  )
  if ('outcome' in issued) return issued
  if (issued.expiresAtMs <= access.now())
    throw new ProviderFault('GitHub issued a token that has expired already: compare the clocks')
  return {
    outcome: 'minted',
    token: issued.token,
    expiresAtMs: issued.expiresAtMs,
    granted: { scopes: [], resources: [], authorizationDetails: [issued.granted] },
    enforcedBy: 'provider',
    origins: [new URL(apiUrl).origin],
    installationId: String(installation.id),
    ...(installation.ownerId === undefined ? {} : { tenantId: String(installation.ownerId) }),
    ...(installation.owner === undefined ? {} : { name: installation.owner }),
  }
}

/**
 * The one detail a token can carry.
 *
 * Two are never merged: GitHub crosses repositories with permissions, so that "read a" and "write b" together
 * would come back as "write a" too.
 */
function onlyDetail(request: MintRequest): { readonly detail: InstallationDetail | undefined } | MintRefusal {
  try {
    const details = request.authorizationDetails.map(normalizeInstallationDetail)
    const distinct = new Map(details.map((detail) => [JSON.stringify(detail), detail]))
    if (distinct.size > 1)
      return refused('invalid_request', 'authorizationDetails must hold one detail: a token carries no more')
    return { detail: details[0] }
  } catch (error) {
    if (error instanceof InvalidSettings) return refused('invalid_request', error.message)
    throw error
  }
}

async function revokeToken(
  current: ConnectorSettings,
  token: string,
  access: ProviderAccess,
): Promise<'revoked' | 'already_ended'> {
  const { apiUrl } = z.object({ apiUrl: z.string() }).parse(current.configuration)
  const answer = await gitHubApi(access, apiUrl, token)('DELETE', '/installation/token')
  if (answer.status === 204) return 'revoked'
  // Only 401 proves that the token no longer opens anything. A 404 comes from a server that does not know the
  // call, and a 403 from a suspended installation, whose token would live again.
  if (answer.status === 401) return 'already_ended'
  throw unexpectedAnswer(provider, answer.status)
}
