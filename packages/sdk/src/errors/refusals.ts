import type { ConnectTokenParams } from '../request/types.ts'
import { ConnectError, type ConnectErrorOptions } from './connect-error.ts'

/** The connector holds no app credential from which a token could be made. Code `no_token`. */
export class NoValidTokenError extends ConnectError {
  constructor(message: string, options: ConnectErrorOptions = {}) {
    super(message, { ...options, code: options.code ?? 'no_token' })
    this.name = 'NoValidTokenError'
  }
}

/** The user has not consented yet, or the consent no longer stands. Code `user_authorization_required`. */
export class UserAuthorizationRequiredError extends ConnectError {
  /** The params of the call that was refused: what to start an authorization with. */
  declare readonly params?: ConnectTokenParams

  constructor(message: string, options: ConnectErrorOptions = {}) {
    super(message, { ...options, code: options.code ?? 'user_authorization_required' })
    this.name = 'UserAuthorizationRequiredError'
    if (options.params !== undefined) this.params = options.params
  }
}

/**
 * The provider's app is not installed in the tenant the request means, or several installations match and none was
 * named. Code `connector_installation_required`.
 */
export class ConnectorInstallationRequiredError extends ConnectError {
  constructor(message: string, options: ConnectErrorOptions = {}) {
    super(message, { ...options, code: options.code ?? 'connector_installation_required' })
    this.name = 'ConnectorInstallationRequiredError'
  }
}
