import type { AuthorizationDetail, Subject } from '@valetkey/protocol'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import { digestOf } from '../digest.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { describeIssue } from './describe-issue.ts'

const text = z.string().min(1).max(2048)
const list = z.array(text).min(1).max(100)

const subject = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('app') }),
  z.strictObject({ type: z.literal('user'), id: text, issuer: text.optional() }),
  z.strictObject({
    type: z.literal('jwt-bearer'),
    sub: text,
    iss: text.optional(),
    aud: text.optional(),
    additionalClaims: z.record(text, z.json()).optional(),
  }),
  z.strictObject({ type: z.literal('token'), token: z.string().min(1).max(16_384) }),
])

const tokenRequest = z.strictObject({
  subject,
  installationId: text.optional(),
  audience: list.optional(),
  scopes: list.optional(),
  resources: list.optional(),
  authorizationDetails: z
    .array(z.looseObject({ type: text }))
    .min(1)
    .max(100)
    .optional(),
  validityBufferMs: z.number().int().min(0).max(86_400_000).optional(),
  rejectedTokenId: text.optional(),
  context: z.strictObject({ toolCallId: text.optional() }).optional(),
})

const revokeRequest = z.strictObject({ subject: subject.optional(), installationId: text.optional() })

/** A token request in canonical form: lists sorted and without repetition, `['*']` taken as absent. */
export interface ParsedTokenRequest {
  readonly subject: Subject
  readonly installationId: string | undefined
  readonly audience: readonly string[] | undefined
  readonly scopes: readonly string[] | undefined
  readonly resources: readonly string[] | undefined
  readonly authorizationDetails: readonly AuthorizationDetail[] | undefined
  readonly validityBufferMs: number
  readonly rejectedTokenId: string | undefined
  readonly toolCallId: string | undefined
  /** Digest of everything that decides what the token is; who asks is not in it. */
  readonly key: string
  /** Digest of the subject alone. */
  readonly subjectKey: string
}

const defaultValidityBufferMs = 30_000

/** Parses the body of `POST /v1/connect/token/{connector}`. */
export function parseTokenRequest(body: unknown): Outcome<ParsedTokenRequest> {
  const parsed = tokenRequest.safeParse(body)
  if (!parsed.success)
    return refuse({ reason: 'request_invalid', message: describeIssue(parsed.error, 'the request') })
  const { data } = parsed
  const scopes = sortedUnique(data.scopes)
  if (scopes !== undefined && scopes.length > 1 && scopes.includes('*')) {
    return refuse({ reason: 'request_invalid', message: 'scopes: "*" stands alone or not at all' })
  }
  const parts = {
    subject: data.subject as Subject,
    installationId: data.installationId,
    audience: sortedUnique(data.audience),
    scopes: scopes?.[0] === '*' ? undefined : scopes,
    resources: sortedUnique(data.resources),
    authorizationDetails: sortedDetails(data.authorizationDetails),
  }
  return accept({
    ...parts,
    validityBufferMs: data.validityBufferMs ?? defaultValidityBufferMs,
    rejectedTokenId: data.rejectedTokenId,
    toolCallId: data.context?.toolCallId,
    key: digestOf(withoutUndefined(parts)),
    subjectKey: subjectKeyOf(parts.subject),
  })
}

/** What `DELETE …/tokens` names; without a subject it means everything. */
export interface ParsedRevokeRequest {
  readonly subject: Subject | undefined
  readonly subjectKey: string | undefined
  readonly installationId: string | undefined
}

/** Parses the body of `DELETE /v1/connect/connectors/{connector}/tokens`. */
export function parseRevokeRequest(body: unknown): Outcome<ParsedRevokeRequest> {
  const parsed = revokeRequest.safeParse(body)
  if (!parsed.success)
    return refuse({ reason: 'request_invalid', message: describeIssue(parsed.error, 'the request') })
  const { data } = parsed
  return accept({
    subject: data.subject as Subject | undefined,
    subjectKey: data.subject === undefined ? undefined : subjectKeyOf(data.subject as Subject),
    installationId: data.installationId,
  })
}

function subjectKeyOf(value: Subject): string {
  return digestOf(withoutUndefined({ ...value }))
}

function sortedUnique(values: readonly string[] | undefined): readonly string[] | undefined {
  return values === undefined ? undefined : [...new Set(values)].sort()
}

function sortedDetails(
  details: readonly AuthorizationDetail[] | undefined,
): readonly AuthorizationDetail[] | undefined {
  if (details === undefined) return undefined
  const byText = new Map(details.map((detail) => [canonicalize(detail) ?? '', detail]))
  return [...byText.keys()].sort().flatMap((key) => byText.get(key) ?? [])
}

function withoutUndefined(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined))
}
