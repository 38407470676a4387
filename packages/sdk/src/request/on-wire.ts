import type { AuthorizationDetail, Subject, TokenRequest } from '@valetkey/protocol'
import type { CheckedSubject } from './subject.ts'
import type { CheckedRequest } from './token-request.ts'

/** The params as they travel, without what depends on the moment of the call. Lists keep the caller's order. */
export function paramsOnWire(request: CheckedRequest): TokenRequest {
  return {
    subject: subjectOnWire(request.subject),
    ...(request.installationId === undefined ? undefined : { installationId: request.installationId }),
    ...(request.audience === undefined ? undefined : { audience: request.audience }),
    ...(request.scopes === undefined ? undefined : { scopes: request.scopes }),
    ...(request.resources === undefined ? undefined : { resources: request.resources }),
    ...(request.details === undefined
      ? undefined
      : { authorizationDetails: request.details.map((json): AuthorizationDetail => JSON.parse(json)) }),
  }
}

/** The subject as it travels. */
export function subjectOnWire(subject: CheckedSubject): Subject {
  switch (subject.type) {
    case 'app':
      return { type: 'app' }
    case 'user':
      return {
        type: 'user',
        id: subject.id,
        ...(subject.issuer === undefined ? undefined : { issuer: subject.issuer }),
      }
    case 'jwt-bearer':
      return {
        type: 'jwt-bearer',
        sub: subject.id,
        ...(subject.issuer === undefined ? undefined : { iss: subject.issuer }),
        ...(subject.audience === undefined ? undefined : { aud: subject.audience }),
        ...(subject.claims === undefined ? undefined : { additionalClaims: JSON.parse(subject.claims) }),
      }
    case 'token':
      return { type: 'token', token: subject.id }
  }
}
