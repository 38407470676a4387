import { z } from 'zod'
import { holdsNoDetails, noDetails } from '../details.ts'
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
import { callProvider, readAnswer, unexpectedAnswer } from '../http.ts'
import { quoted, refused, refuseUnsupported } from '../refusal.ts'
import {
  address,
  jsonSchemaOf,
  mergeFields,
  parseFields,
  plainText,
  requireSecretsAgain,
  shownText,
} from '../settings.ts'
import { slackConsent } from './slack-consent.ts'

const provider = 'Slack'
const defaultApiUrl = 'https://slack.com/api'

/** Slack takes the same token on these too: files are downloaded from the second, MCP is spoken on the third. */
const slackOrigins = ['https://slack.com', 'https://files.slack.com', 'https://mcp.slack.com']

const behaviour: DriverBehaviour = {
  subjects: ['app', 'user'],
  narrows: {
    scopes: true,
    resources: false,
    audience: false,
    authorizationDetails: [],
    installationId: true,
  },
  // A bot token that is not rotated never ends, and Slack has no narrower copy of it to give.
  standing: true,
  callsProvider: false,
  // Slack can end this token, but it is the only one: ending it for one caller would end it for all.
  revokesTokens: false,
}

const scopes = z
  .array(plainText().regex(/^[^\s,]+$/, 'must not hold white space or commas'), {
    error: 'must be a list of scopes',
  })
  .max(500, 'must hold at most 500 scopes')
  .transform((list) => [...new Set(list)].sort())

const settings = z.strictObject({
  botToken: plainText()
    .regex(/^\S+$/, 'must not hold white space')
    .regex(/^(?!xoxe)/, 'must not be a rotating token (xoxe…): it ends after twelve hours')
    .regex(/^(?!xox[pcds]-|xapp-)/, 'must be the token of a bot (xoxb-…), not of a person or an app')
    .optional(),
  apiUrl: address().default(defaultApiUrl),
  appId: plainText().optional(),
  clientId: plainText().optional(),
  clientSecret: plainText().optional(),
  signingSecret: plainText().optional(),
  botScopes: scopes.optional(),
  userScopes: scopes.optional(),
})

const storedConfiguration = z.object({
  apiUrl: z.string(),
  scopes: z.array(z.string()).optional(),
  teamId: z.string().optional(),
  teamName: z.string().optional(),
  botUserId: z.string().optional(),
})
const storedSecrets = z.object({ botToken: z.string().min(1) })

const identifier = z.string().regex(/^[A-Za-z0-9]{1,64}$/)
const authTestAnswer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(false), error: z.string().regex(/^[a-z_]{1,64}$/) }),
  z.object({
    ok: z.literal(true),
    team_id: identifier,
    team: shownText(),
    user_id: identifier.optional(),
    bot_id: identifier.optional(),
    app_id: identifier.optional(),
    enterprise_id: identifier.nullish(),
    expires_in: z.number().optional(),
  }),
])

/** Error codes that say nothing about the token. */
const faults: readonly string[] = [
  'fatal_error',
  'internal_error',
  'ratelimited',
  'request_timeout',
  'service_unavailable',
  'team_added_to_org',
]

/** A Slack app: by the bot token of one workspace, or by consent of people and workspaces. */
export const slackDriver: Driver = {
  service: 'slack',
  type: 'slack',
  title: 'Slack',
  behaviour,
  dataSchema: jsonSchemaOf(settings),
  secretFields: ['botToken', 'clientSecret', 'signingSecret'],
  parseSettings,
  mergeSettings,
  check,
  clientUrl: (configuration) => (configuration.apiUrl === defaultApiUrl ? 'https://slack.com' : undefined),
  normalizeDetail: noDetails,
  holdDetail: holdsNoDetails,
  isFullAccess: () => false,
  mint,
  consent: slackConsent((configuration) => originsFor(String(configuration.apiUrl))),
}

function parseSettings(data: unknown): ConnectorSettings {
  const { botToken, clientSecret, signingSecret, ...configuration } = parseFields(settings, data)
  if (botToken === undefined && configuration.clientId === undefined)
    throw new InvalidSettings('botToken is required, or clientId and clientSecret for consent')
  if (botToken === undefined && clientSecret === undefined)
    throw new InvalidSettings('clientSecret is required with clientId')
  return {
    configuration,
    secrets: {
      ...(botToken === undefined ? {} : { botToken }),
      ...(clientSecret === undefined ? {} : { clientSecret }),
      ...(signingSecret === undefined ? {} : { signingSecret }),
    },
  }
}

function mergeSettings(current: ConnectorSettings, data: unknown): ConnectorSettings {
  const merged = parseSettings(mergeFields(current, data, Object.keys(settings.shape)))
  requireSecretsAgain(current, merged, data, { places: ['apiUrl'], secrets: ['botToken', 'clientSecret'] })
  return merged
}

async function check(current: ConnectorSettings, access: ProviderAccess): Promise<CheckedSettings> {
  const { apiUrl } = storedConfiguration.parse(current.configuration)
  const secrets = storedSecrets.safeParse(current.secrets)
  // A client's secret can't be tried without a code to redeem.
  if (!secrets.success) return { configuration: {} }
  const { botToken } = secrets.data
  const response = await callProvider(access, {
    provider,
    method: 'POST',
    url: `${apiUrl}/auth.test`,
    headers: { accept: 'application/json', authorization: `Bearer ${botToken}` },
  })
  const answer = readAnswer(provider, response, authTestAnswer)
  if (!answer.ok) {
    if (faults.includes(answer.error)) throw new ProviderFault(`Slack has a fault: ${answer.error}`)
    throw new InvalidSettings(`Slack does not accept botToken: ${answer.error}`)
  }
  if (response.status !== 200) throw unexpectedAnswer(provider, response.status)
  if (answer.expires_in !== undefined)
    throw new InvalidSettings('botToken must not be a rotating token: it ends after twelve hours')
  const found = {
    scopes: scopesOf(response.headers),
    teamId: answer.team_id,
    teamName: answer.team,
    enterpriseId: answer.enterprise_id ?? undefined,
    botId: answer.bot_id,
    botUserId: answer.user_id,
    appId: answer.app_id,
  }
  return { configuration: Object.fromEntries(Object.entries(found).filter(([, fact]) => fact !== undefined)) }
}

/** The scopes the token really has; `undefined` when Slack does not say. */
function scopesOf(headers: Headers): readonly string[] | undefined {
  const header = headers.get('x-oauth-scopes')
  if (header === null) return undefined
  const named = header.split(',').map((scope) => scope.trim())
  return [...new Set(named.filter((scope) => /^[A-Za-z0-9:._-]{1,100}$/.test(scope)))].sort()
}

function originsFor(apiUrl: string): readonly string[] {
  return apiUrl === defaultApiUrl ? slackOrigins : [new URL(apiUrl).origin]
}

async function mint(current: ConnectorSettings, request: MintRequest): Promise<MintedToken | MintRefusal> {
  const unsupported = refuseUnsupported(behaviour, request)
  if (unsupported !== undefined) return unsupported
  const secrets = storedSecrets.safeParse(current.secrets)
  if (request.subject.type === 'user')
    return refused('no_credential', 'A token of a user comes from the consent of that user')
  if (!secrets.success)
    return current.configuration.clientId === undefined
      ? refused('no_credential', 'This connector holds no bot token')
      : refused('installation_required', 'The app is not installed in a workspace yet: install it')
  const { apiUrl, teamId, ...known } = storedConfiguration.parse(current.configuration)
  if (request.installationId !== undefined && request.installationId !== teamId)
    return refused(
      'installation_required',
      'The app is not installed in the workspace that installationId names',
    )
  const missing = request.scopes.find((scope) => known.scopes?.includes(scope) !== true)
  if (missing !== undefined)
    return refused(
      'above_grant',
      known.scopes === undefined
        ? `Slack does not say which scopes this app has, so that scope ${quoted(missing)} can't be promised: leave scopes out`
        : `Slack did not grant the app the scope ${quoted(missing)}: add it to the app and install it again`,
    )
  return {
    outcome: 'minted',
    token: secrets.data.botToken,
    expiresAtMs: null,
    // All of them, whatever was asked for: the token can't be narrowed.
    granted: { scopes: known.scopes ?? [], resources: [], authorizationDetails: [] },
    enforcedBy: 'none',
    origins: originsFor(apiUrl),
    ...(teamId === undefined ? {} : { installationId: teamId, tenantId: teamId }),
    ...(known.teamName === undefined ? {} : { name: known.teamName }),
    ...(known.botUserId === undefined ? {} : { externalSubject: known.botUserId }),
  }
}
