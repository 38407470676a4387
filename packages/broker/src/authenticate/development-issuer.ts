import { randomUUID } from 'node:crypto'
import { type CryptoKey, compactVerify, SignJWT } from 'jose'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { parseCompactToken } from './compact-token.ts'
import { hasAudience } from './match-rule.ts'
import { checkTimes } from './token-times.ts'
import type { VerifiedIdentity } from './verified-identity.ts'

/** The `typ` of development identities; no other token may carry it, and they no other. */
const developmentIdentityType = 'vk-id+jwt'

/** The longest life of a development identity: they lie in `.env.local` files. */
const longestDevelopmentSeconds = 43_200

/** Makes and checks the broker's own identities for developers' machines. */
export interface DevelopmentIssuer {
  /** `<publicUrl>/development`. */
  readonly issuer: string
  /** @throws {RangeError} for a life outside 1 second to 12 hours, or an environment it doesn't serve. */
  mint(input: {
    readonly projectId: string
    readonly projectName: string
    readonly environment: string
    readonly ttlSeconds: number
  }): Promise<{ readonly token: string; readonly expiresAtMs: number }>
  /** Asks again whether the project still admits such identities. */
  verify(token: string): Promise<Outcome<VerifiedIdentity>>
}

/** Creates the development issuer over a key that signs nothing else. */
export function createDevelopmentIssuer(options: {
  readonly publicUrl: string
  readonly now: () => number
  /** ES256. */
  readonly key: { readonly kid: string; readonly privateKey: CryptoKey; readonly publicKey: CryptoKey }
  /** Whether the project exists and allows development identities now. */
  readonly admits: (projectId: string) => Promise<{ readonly projectName: string } | undefined>
  /** The only environments it speaks for; absent, any. */
  readonly environments?: readonly string[]
}): DevelopmentIssuer {
  const { now, key, admits, environments } = options
  const audience = options.publicUrl.replace(/\/+$/, '')
  const issuer = `${audience}/development`
  const serves = (environment: string) => environments?.includes(environment) ?? true

  return {
    issuer,
    async mint({ projectId, projectName, environment, ttlSeconds }) {
      if (!(Number.isInteger(ttlSeconds) && ttlSeconds >= 1 && ttlSeconds <= longestDevelopmentSeconds)) {
        throw new RangeError(`ttlSeconds must be from 1 to ${longestDevelopmentSeconds}`)
      }
      if (!serves(environment)) throw new RangeError('environment is not one the development issuer serves')
      const issuedAt = Math.floor(now() / 1000)
      const token = await new SignJWT({ project: projectName, project_id: projectId, environment })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: developmentIdentityType })
        .setIssuer(issuer)
        .setSubject(subjectOf(projectId, environment))
        .setAudience(audience)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ttlSeconds)
        .setJti(randomUUID())
        .sign(key.privateKey)
      return { token, expiresAtMs: (issuedAt + ttlSeconds) * 1000 }
    },

    async verify(text) {
      const parsed = parseCompactToken(text)
      if (!parsed.ok) return parsed
      const { type, header, payload, issuer: tokenIssuer } = parsed.value
      if (type !== developmentIdentityType) {
        return refuse({ reason: 'token_malformed', detail: '"typ" is not that of a development identity' })
      }
      if (tokenIssuer !== issuer) return refuse({ reason: 'issuer_untrusted' })
      if (header.kid !== key.kid) return refuse({ reason: 'signature_invalid', detail: 'unknown key' })
      try {
        await compactVerify(text, key.publicKey, { algorithms: ['ES256'] })
      } catch {
        return refuse({ reason: 'signature_invalid', detail: 'wrong signature' })
      }

      if (!hasAudience(payload, audience)) return refuse({ reason: 'audience_mismatch' })
      const times = checkTimes(payload, now())
      if (!times.ok) return times
      if (times.value.exp - times.value.iat > longestDevelopmentSeconds) {
        return refuse({ reason: 'token_lives_too_long' })
      }
      const { project_id: projectId, environment, sub: subject } = payload
      if (typeof projectId !== 'string' || typeof environment !== 'string' || !serves(environment)) {
        return refuse({ reason: 'claims_unmatched' })
      }
      if (subject !== subjectOf(projectId, environment)) return refuse({ reason: 'claims_unmatched' })
      const project = await admits(projectId)
      if (project === undefined) return refuse({ reason: 'claims_unmatched' })
      const { projectName } = project
      return accept({ projectId, projectName, environment, issuer, subject, ruleId: 'development' })
    },
  }
}

function subjectOf(projectId: string, environment: string): string {
  return `project:${projectId}:environment:${environment}`
}
