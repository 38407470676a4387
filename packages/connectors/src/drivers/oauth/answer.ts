import type { RotatedTokens } from '../../consent.ts'
import type { JsonObject } from '../../driver.ts'
import { parseJson } from '../../http.ts'
import type { OAuthQuirks } from './connection.ts'

/** A token endpoint's body as an object: JSON, or a form as GitHub once sent; `undefined` when it is neither. */
export function readBody(text: string, contentType: string | null): JsonObject | undefined {
  const json = parseJson(text)
  if (isObject(json)) return json
  const form = contentType?.toLowerCase().startsWith('application/x-www-form-urlencoded') === true
  return form ? Object.fromEntries(new URLSearchParams(text)) : undefined
}

/** The error an answer names, whatever its status: some providers say 200 with `ok: false`, or with `error`. */
export function errorIn(body: JsonObject, quirks: OAuthQuirks): string | undefined {
  const { error } = body
  const failed = body.ok === false || error !== undefined
  if (!failed) return undefined
  const code = typeof error === 'string' ? error : 'unknown'
  return Object.hasOwn(quirks.errorCodes, code) ? quirks.errorCodes[code] : code
}

/**
 * The tokens of an answer in the form of RFC 6749, from wherever the provider puts them.
 *
 * @param options.refresh a refresh is answered flat by providers that nest the first answer.
 * @param options.idToken an ID token that nobody asked for is left out rather than judged.
 */
export function standardForm(
  body: JsonObject,
  quirks: OAuthQuirks,
  options: { readonly refresh: boolean; readonly idToken: boolean },
): JsonObject {
  const tokens = tokensOf(body, quirks, options.refresh)
  const { id_token: idToken, ...rest } = tokens ?? {}
  const { scope } = rest
  return {
    ...rest,
    token_type: tokenType(rest.token_type),
    expires_in: positiveSeconds(rest.expires_in),
    refresh_token: nonEmpty(rest.refresh_token),
    scope: Array.isArray(scope) ? scope.map(String).join(' ') : (scope ?? undefined),
    ...(options.idToken ? { id_token: idToken ?? undefined } : {}),
  }
}

/**
 * The refresh token of an answer and what came with it, before anything is checked; `undefined` when there is none.
 *
 * The answer may be no JSON at all: one that broke off half-way can hold the only copy of a rotated token.
 */
export function findRotated(
  text: string,
  contentType: string | null,
  quirks: OAuthQuirks,
  now: number,
): RotatedTokens | undefined {
  const body = readBody(text, contentType)
  const tokens = body === undefined ? salvage(text) : tokensOf(body, quirks, true)
  const refreshToken = nonEmpty(tokens?.refresh_token)
  if (refreshToken === undefined) return undefined
  const accessToken = nonEmpty(tokens?.access_token)
  const seconds = positiveSeconds(tokens?.expires_in)
  return {
    refreshToken,
    ...(accessToken === undefined ? {} : { accessToken }),
    ...(seconds === undefined ? {} : { accessExpiresAtMs: now + seconds * 1000 }),
  }
}

/** Seconds as a number, from a number or a string of one; `undefined` for what says nothing (`null`, 0). */
export function positiveSeconds(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  // Ten years: what is longer is a date, or nonsense that would overflow one.
  return typeof seconds === 'number' && seconds > 0 && seconds < 315_360_000 ? seconds : undefined
}

function tokensOf(body: JsonObject, quirks: OAuthQuirks, refresh: boolean): JsonObject | undefined {
  if (quirks.tokenMember === undefined) return body
  const member = Object.hasOwn(body, quirks.tokenMember) ? body[quirks.tokenMember] : undefined
  if (isObject(member) && nonEmpty(member.access_token) !== undefined) return member
  return refresh ? body : undefined
}

/** The fields of a JSON text that can't be parsed, as far as they are whole. */
function salvage(text: string): JsonObject | undefined {
  const field = (name: 'refresh_token' | 'access_token') => {
    const literal = patterns[name].exec(text)?.[1]
    return literal === undefined ? undefined : parseJson(literal)
  }
  return { refresh_token: field('refresh_token'), access_token: field('access_token') }
}

const patterns = {
  refresh_token: /"refresh_token"\s*:\s*("(?:[^"\\]|\\.)*")/,
  access_token: /"access_token"\s*:\s*("(?:[^"\\]|\\.)*")/,
}

/** Bearer when nothing is said. Slack names whose token it is instead; both are sent as Bearer. */
function tokenType(value: unknown): unknown {
  return value === undefined || value === null || value === 'bot' || value === 'user' ? 'bearer' : value
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
