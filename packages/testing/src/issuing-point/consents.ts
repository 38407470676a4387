import type {
  AuthorizeResponse,
  CompleteResponse,
  ConsentStatus,
  ConsentStatusResponse,
  Subject,
} from '@valetkey/protocol'
import { subjectKey } from './canonical.ts'
import { connectorOf } from './connectors.ts'
import type { ParsedBody } from './parse-body.ts'
import type { MockAnsweredConsent } from './types.ts'
import { type Outcome, refuse } from './wire.ts'

const [defaultExpiryMs, returnCodeMs] = [600_000, 60_000]

interface Consent {
  readonly request: string
  readonly kind: 'authorize' | 'install'
  readonly connector: string
  readonly subject: Subject | undefined
  readonly verifier: string
  readonly returnUrl: string | undefined
  readonly expiresAtMs: number
  status: ConsentStatus
  error?: { readonly code: string; readonly message: string }
  code?: string
  codeExpiresAtMs?: number
  tries: number
}

/** The consent requests of a mock. */
export interface Consents {
  begin(of: {
    readonly kind: 'authorize' | 'install'
    readonly connector: string
    readonly body: ParsedBody
    /** Whether the user says no at once. */
    readonly denied: boolean
  }): AuthorizeResponse
  connectorOf(request: string): string | undefined
  status(request: string, body: ParsedBody): Outcome<ConsentStatusResponse>
  complete(request: string, body: ParsedBody): Outcome<CompleteResponse>
  /** What the person answers. `undefined` means the newest request that waits for one. */
  answer(request: string | undefined, agrees: boolean): MockAnsweredConsent
}

/** @param activate told of every consent that was completed. */
export function createConsents(
  url: string,
  now: () => number,
  activate: (connector: string, subject: Subject | undefined) => void,
): Consents {
  const consents = new Map<string, Consent>()

  const statusOf = (consent: Consent): ConsentStatus => {
    const { status, expiresAtMs, codeExpiresAtMs = expiresAtMs } = consent
    const endMs =
      status === 'pending' ? expiresAtMs : status === 'consented' ? codeExpiresAtMs : Number.POSITIVE_INFINITY
    return endMs <= now() ? 'expired' : status
  }

  function find(request: string, { verifier }: ParsedBody): Outcome<Consent> {
    const consent = consents.get(request)
    if (consent !== undefined && consent.verifier === verifier) return { body: consent }
    return refuse(
      'forbidden',
      'This workload began no such request, or the verifier is not that of the request',
    )
  }

  return {
    begin({ kind, connector, body, denied }) {
      const consent: Consent = {
        request: `ask_${crypto.randomUUID().replaceAll('-', '').slice(0, 20)}`,
        ...{ kind, connector, subject: body.subject },
        verifier: `${crypto.randomUUID()}${crypto.randomUUID()}`,
        returnUrl: body.returnUrl,
        expiresAtMs: now() + (body.expiresInMs ?? defaultExpiryMs),
        status: 'pending',
        tries: 0,
      }
      if (denied) deny(consent)
      consents.set(consent.request, consent)
      const { id, uid, type, service, name } = connectorOf(connector)
      return {
        url: `${url}/consent/${consent.request}`,
        request: consent.request,
        verifier: consent.verifier,
        expiresAt: consent.expiresAtMs,
        ...(body.deviceCode === true
          ? { deviceCode: typedCode(), verificationUri: `${url}/device` }
          : undefined),
        connector: { ...{ id, uid, type, service }, serviceName: service, name },
      }
    },
    connectorOf: (request) => consents.get(request)?.connector,
    status(request, body) {
      const found = find(request, body)
      if ('refusal' in found) return found
      const status = statusOf(found.body)
      const expired = { code: 'expired', message: 'Nobody completed the request in time' }
      const error = status === 'expired' ? expired : found.body.error
      return { body: { request, status, ...(error === undefined ? undefined : { error }) } }
    },
    complete(request, body) {
      const found = find(request, body)
      if ('refusal' in found) return found
      const consent = found.body
      const status = statusOf(consent)
      if (status !== 'consented') return refuse('conflict', whyNotNow[status])
      // Code and subject are judged together: who has one must not learn of the other.
      if (!matches(consent, body)) {
        consent.tries += 1
        if (consent.tries >= (consent.returnUrl === undefined ? 3 : 10)) {
          const message = 'Too many attempts to complete it did not match'
          Object.assign(consent, { status: 'error', error: { code: 'invalid_request', message } })
        }
        return refuse('invalid_request', 'The code and the subject are not those of this request')
      }
      consent.status = 'active'
      activate(consent.connector, consent.subject)
      return { body: { request, status: 'active' } }
    },
    answer(request, agrees) {
      const all = [...consents.values()].reverse()
      const waits = (each: Consent) => statusOf(each) === 'pending'
      // Where users deny whatever they are asked, the answer is there already.
      const said = (each: Consent) => !agrees && each.status === 'denied'
      const consent = request === undefined ? (all.find(waits) ?? all.find(said)) : consents.get(request)
      if (consent === undefined || !(waits(consent) || said(consent))) {
        const state = consent === undefined ? '' : `: it is ${statusOf(consent)}`
        throw new Error(`No such consent request waits for the user's answer${state}`)
      }
      const { returnUrl } = consent
      if (!agrees) {
        deny(consent)
        return answered(consent, { error: 'access_denied' })
      }
      const typed = returnUrl === undefined
      const code = typed ? typedCode() : crypto.randomUUID()
      const codeEndMs = now() + returnCodeMs
      const codeExpiresAtMs = typed ? Math.max(consent.expiresAtMs, codeEndMs) : codeEndMs
      Object.assign(consent, { status: 'consented', code, codeExpiresAtMs })
      return answered(consent, { code })
    },
  }
}

const whyNotNow: Readonly<Record<Exclude<ConsentStatus, 'consented'>, string>> = {
  pending: 'Nobody has consented to this request yet',
  active: 'This request has been completed already',
  denied: 'Consent was denied: begin a new request',
  error: 'This request has failed: begin a new one',
  expired: 'This request, or the code that completes it, has expired: begin a new one',
}

function deny(consent: Consent): void {
  const error = { code: 'access_denied', message: 'The request was cancelled' }
  Object.assign(consent, { status: 'denied', error })
}

function matches(consent: Consent, { code = '', subject }: ParsedBody): boolean {
  const plain = (text: string) => text.toUpperCase().replace(/[^A-Z]/g, '')
  const { code: expected = '', returnUrl } = consent
  if (returnUrl === undefined ? plain(code) !== plain(expected) : code !== expected) return false
  if (consent.subject === undefined || subject === undefined) return consent.subject === subject
  return subjectKey(consent.subject) === subjectKey(subject)
}

function answered(
  { request, returnUrl }: Consent,
  answer: { readonly code?: string; readonly error?: string },
) {
  const { code } = answer
  const query = new URLSearchParams({ request, ...answer })
  return {
    request,
    ...(code === undefined ? undefined : { code }),
    ...(returnUrl === undefined
      ? undefined
      : { returnUrl: `${returnUrl}${returnUrl.includes('?') ? '&' : '?'}${query}` }),
  }
}

/** As a browser shows it, to be typed in: eight letters. */
function typedCode(): string {
  const letters = 'BCDFGHJKLMNPQRSTVWXZ'
  const code = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    letters.charAt(byte % letters.length),
  )
  return `${code.slice(0, 4).join('')}-${code.slice(4).join('')}`
}
