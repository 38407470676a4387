import type { FakePlatform, PlatformFault, PlatformOptions } from './fake-platform.ts'
import { createFaults, faultyAnswer } from './faults.ts'
import { type PlatformAnswer, type PlatformRequest, startHttpServer } from './http-server.ts'
import { type Algorithm, type Claims, createIssuer, freshId } from './issuer.ts'

/** A platform in data, and what it answers. */
export interface PlatformDescription {
  /** Default ES256, where the platform does not say. */
  readonly algorithm?: Algorithm
  /** What follows the server's address in `iss`, such as `/acme`. */
  readonly issuerPath?: string
  readonly lifetimeSeconds: number
  /** How long before `iat` its tokens are valid. Absent: no `nbf`. */
  readonly earlySeconds?: number
  /** Whether its tokens have a `jti`. */
  readonly hasTokenId?: boolean
  /** Some platforms write `aud` as a list of one. */
  readonly listsAudience?: boolean
  readonly claims: Claims
  /** Origins that workloads know without being told. */
  readonly fixedAddresses?: readonly string[]
  /** A Unix socket on which it answers, besides its port. */
  readonly socketPath?: string
  /** Answers whoever asks for a token. Undefined: there is nothing at this path. */
  readonly answer?: (request: PlatformRequest, tools: AnswerTools) => PlatformAnswer | undefined
}

export interface AnswerTools {
  /** A token for this audience, or with the platform's fault. */
  readonly mint: (audience: string, claims?: Claims) => string
  /** The claims of a token that this platform signed. */
  readonly read: (token: unknown) => Claims | undefined
}

/** All of a platform but its environment. */
export interface PlatformCore extends Omit<FakePlatform, 'environment'> {
  /** Where its server listens. */
  readonly url: string
  /**
   * A token as the platform puts it into a variable or a file, with the platform's fault. Undefined where it puts none
   * there.
   */
  readonly handOut: (audience: string) => string | undefined
}

const elsewhere = 'https://somebody-else.example'

/** Starts what all platforms have in common: keys, tokens, faults, a server. */
export async function startPlatform(
  description: PlatformDescription,
  options: PlatformOptions,
): Promise<PlatformCore> {
  const { algorithm = 'ES256', issuerPath = '', answer, socketPath } = description
  const { now = Date.now } = options
  const lifetimeSeconds = options.lifetimeSeconds ?? description.lifetimeSeconds
  const keys = await createIssuer(algorithm)
  const faults = createFaults(answer !== undefined)
  let asked = 0

  const identity = (audience: string, claims: Claims = {}, ageSeconds = 0): string => {
    const iat = Math.floor(now() / 1000) - ageSeconds
    return keys.sign({
      iss: issuer,
      aud: description.listsAudience === true ? [audience] : audience,
      iat,
      exp: iat + lifetimeSeconds,
      ...(description.earlySeconds === undefined ? undefined : { nbf: iat - description.earlySeconds }),
      ...(description.hasTokenId === true ? { jti: freshId() } : undefined),
      ...description.claims,
      ...options.claims,
      ...claims,
    })
  }
  const mintWith =
    (fault: PlatformFault | undefined): AnswerTools['mint'] =>
    (audience, claims) =>
      identity(
        fault === 'wrong-audience' ? elsewhere : audience,
        claims,
        fault === 'expired' ? lifetimeSeconds + 60 : 0,
      )

  const handle = (request: PlatformRequest): PlatformAnswer | undefined => {
    const published = keys.publish(request, issuer)
    if (published !== undefined) return published
    asked++
    const fault = faults.take()
    const faulty = faultyAnswer(fault, request.url.pathname + request.url.search)
    if (faulty !== 'well') return faulty
    return answer?.(request, { mint: mintWith(fault), read: keys.read }) ?? { status: 404 }
  }
  const server = await startHttpServer(handle)
  const socket = socketPath === undefined ? undefined : await startHttpServer(handle, socketPath)
  const issuer = `${server.url}${issuerPath}`

  return {
    url: server.url,
    issuer,
    fetch: fetchBeside(description.fixedAddresses ?? [], server.url),
    asked: () => asked,
    waiting: () => server.waiting() + (socket?.waiting() ?? 0),
    identity: (audience, claims) => identity(audience, claims),
    handOut(audience) {
      asked++
      const fault = faults.take()
      if (fault === 'refuses') return undefined
      return fault === 'garbage' ? 'not-a-token' : mintWith(fault)(audience)
    },
    misbehave: faults.set,
    async close() {
      await Promise.all([server.close(), socket?.close()])
    },
  }
}

function fetchBeside(fixedAddresses: readonly string[], serverUrl: string): typeof globalThis.fetch {
  return (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (!fixedAddresses.includes(url.origin)) return globalThis.fetch(input, init)
    const here = `${serverUrl}${url.pathname}${url.search}`
    return globalThis.fetch(input instanceof Request ? new Request(here, input) : here, init)
  }
}
