import { z } from 'zod'
import { describeIssue } from '../issue/describe-issue.ts'
import { type ParsedTokenRequest, parseTokenRequest } from '../issue/token-request.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { maxGrantNameBytes } from '../store/grants.ts'
import { whyNotRedirectUri } from './redirect-uri.ts'

const text = z.string().min(1).max(2048)

/**
 * What a request may add for the provider: hints as to who the person is and how the page looks. A list of what is
 * harmless, because every provider has parameters of its own that ask for more than the consent page says
 * (`optional_scope`, `include_granted_scopes`, `actor`, `access_type`), or undo what protects the flow.
 */
const allowedParameters = [
  'acr_values',
  'allow_signup',
  'display',
  'domain_hint',
  'hd',
  'login',
  'login_hint',
  'max_age',
  'screen_hint',
  'team',
  'ui_locales',
] as const

/** The answer's own, which must stand in the return URL once. */
const answerParameters = ['request', 'code', 'error'] as const

const returnUrl = text.superRefine((value, check) => {
  const fault = whyNotRedirectUri(value) ?? whyNotAnswerable(value)
  if (fault !== undefined) check.addIssue({ code: 'custom', message: fault })
})

const webhook = text.superRefine((value, check) => {
  const fault = whyNotRedirectUri(value)
  if (fault !== undefined) check.addIssue({ code: 'custom', message: fault })
})

const additionalParams = z
  .record(z.string().min(1).max(64), z.string().max(2048))
  .superRefine((params, check) => {
    const other = Object.keys(params).find((name) => !allowedParameters.some((known) => known === name))
    if (other === undefined) return
    const message = `must not hold ${JSON.stringify(other)}: allowed are ${allowedParameters.join(', ')}`
    check.addIssue({ code: 'custom', message })
  })

const delivery = {
  returnUrl: returnUrl.optional(),
  webhook: webhook.optional(),
  deviceCode: z.boolean().optional(),
  expiresInMs: z.number().int().min(60_000).max(86_400_000).optional(),
  binding: z.literal('complete').optional(),
}

// What a token request has too is parsed as one.
const authorizeRequest = z.strictObject({
  ...delivery,
  subject: z.unknown().optional(),
  installationId: z.unknown().optional(),
  audience: z.unknown().optional(),
  scopes: z.unknown().optional(),
  resources: z.unknown().optional(),
  authorizationDetails: z.unknown().optional(),
  prompt: z.string().min(1).max(64).optional(),
  additionalParams: additionalParams.optional(),
})

const installRequest = z.strictObject({
  ...delivery,
  installationId: z.unknown().optional(),
  scopes: z.unknown().optional(),
  tenantId: text.optional(),
})

/** How the person is led, and who is told. */
export interface Delivery {
  readonly returnUrl?: string | undefined
  readonly webhook?: string | undefined
  readonly deviceCode?: boolean | undefined
  readonly expiresInMs?: number | undefined
  readonly binding?: 'complete' | undefined
}

/** A request for consent in canonical form. */
export interface ParsedConsentRequest {
  /** What is asked for, as a token request would. */
  readonly wanted: ParsedTokenRequest
  readonly delivery: Delivery
  readonly prompt?: string
  readonly tenantId?: string
  readonly additionalParams?: Readonly<Record<string, string>>
}

/** Parses the body of `POST /v1/connect/authorize/{connector}` or of `…/install/{connector}`. */
export function parseConsentRequest(
  kind: 'authorize' | 'install',
  body: unknown,
): Outcome<ParsedConsentRequest> {
  return kind === 'authorize' ? parseAuthorize(body) : parseInstall(body)
}

function parseAuthorize(body: unknown): Outcome<ParsedConsentRequest> {
  const parsed = authorizeRequest.safeParse(body)
  if (!parsed.success) return refuseIssue(parsed.error)
  const { prompt, additionalParams: params, ...rest } = parsed.data
  const { subject, installationId, audience, scopes, resources, authorizationDetails, ...how } = rest
  const wanted = parseTokenRequest({
    subject,
    installationId,
    audience,
    scopes,
    resources,
    authorizationDetails,
  })
  if (!wanted.ok) return wanted
  if (wanted.value.subject.type !== 'user') {
    const message = 'subject.type: only a "user" authorizes; an app is installed'
    return refuse({ reason: 'request_invalid', message })
  }
  const resource = wanted.value.resources?.find((text) => !isResource(text))
  if (resource !== undefined) {
    const message = `resources: ${JSON.stringify(resource)} is not an absolute URI without a fragment`
    return refuse({ reason: 'request_invalid', message })
  }
  const { id, issuer = '' } = wanted.value.subject
  if (Buffer.byteLength(id) + Buffer.byteLength(issuer) > maxGrantNameBytes) {
    const message = `subject: id and issuer together are longer than ${maxGrantNameBytes} bytes`
    return refuse({ reason: 'request_invalid', message })
  }
  return accept({
    wanted: wanted.value,
    delivery: how,
    ...(prompt === undefined ? {} : { prompt }),
    ...(params === undefined ? {} : { additionalParams: params }),
  })
}

function parseInstall(body: unknown): Outcome<ParsedConsentRequest> {
  const parsed = installRequest.safeParse(body)
  if (!parsed.success) return refuseIssue(parsed.error)
  const { installationId, scopes, tenantId, ...how } = parsed.data
  const wanted = parseTokenRequest({ subject: { type: 'app' }, installationId, scopes })
  if (!wanted.ok) return wanted
  return accept({
    wanted: wanted.value,
    delivery: how,
    ...(tenantId === undefined ? {} : { tenantId }),
  })
}

function refuseIssue(error: z.ZodError) {
  return refuse({ reason: 'request_invalid', message: describeIssue(error, 'the request') })
}

/** RFC 8707 §2. The provider gets them as they are, and would refuse others. */
function isResource(text: string): boolean {
  return URL.canParse(text) && !text.includes('#')
}

/** A query that answers already would leave two answers, of which readers take different ones. */
function whyNotAnswerable(value: string): string | undefined {
  const { searchParams } = new URL(value)
  const taken = answerParameters.find((name) => searchParams.has(name))
  return taken === undefined ? undefined : `must not hold the query parameter "${taken}"`
}
