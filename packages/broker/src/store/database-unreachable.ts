/** Where a database is, as far as it may be said in an error: never the user, the password or the URL. */
export interface DatabasePlace {
  readonly host: string
  readonly port: number
  readonly database: string
}

/**
 * The database could not be reached, refused the broker, or went away. The message says which and what to do; it
 * carries no credential. `code` is PostgreSQL's or the system's code where there is one.
 */
export class DatabaseUnreachable extends Error {
  override readonly name = 'DatabaseUnreachable'
  readonly code?: string

  constructor(message: string, code?: string) {
    super(message)
    if (code !== undefined) this.code = code
  }
}

/** The code of a driver's or the system's error. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/**
 * What to say when no connection was made. The driver's own message is not passed on: it may quote what the server
 * sent, and says nothing about the next step.
 */
export function connectFailure(
  error: unknown,
  place: DatabasePlace,
  wait: { readonly seconds: number; readonly maxConnections: number },
): DatabaseUnreachable {
  const code = errorCode(error)
  const at = `The database at ${place.host}:${place.port}`
  const say = (text: string) => new DatabaseUnreachable(text, code)
  switch (code) {
    case 'ECONNREFUSED':
      return say(`${at} refused the connection: start PostgreSQL there or correct DATABASE_URL.`)
    case 'ENOENT':
      return say(`There is no database socket at ${place.host}: start PostgreSQL or correct DATABASE_URL.`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return say(`The database host ${place.host} was not found: correct the host in DATABASE_URL.`)
    case '28P01':
    case '28000':
      return say(`${at} refused the user or password: correct them in DATABASE_URL (percent-encoded).`)
    case '3D000':
      return say(
        `${at} has no database "${place.database}": create it with createdb, or correct DATABASE_URL.`,
      )
    case '42501':
      return say(`${at} does not let this user connect to "${place.database}": grant it CONNECT.`)
    case '53300':
      return say(
        `${at} has no connection left: raise its max_connections or run fewer replicas; each uses up to ${wait.maxConnections}.`,
      )
    case '57P03':
      return say(`${at} is starting or stopping: try again in a moment.`)
    case '08P01':
      return say(
        `${at} does not accept the broker's session settings, as connection poolers do: add prepare=false to the query of DATABASE_URL.`,
      )
  }
  const message = error instanceof Error ? error.message : ''
  if (message === 'timeout exceeded when trying to connect') {
    return say(
      `All ${wait.maxConnections} database connections stayed busy for ${wait.seconds} seconds: the database is slow or overloaded.`,
    )
  }
  if (message.includes('timeout') || code === 'ETIMEDOUT') {
    return say(
      `${at} did not answer within ${wait.seconds} seconds: check that PostgreSQL runs there and that no firewall is between, or correct DATABASE_URL.`,
    )
  }
  if (message === 'The server does not support SSL connections') {
    return say(`${at} does not offer TLS, which DATABASE_URL asks for: enable it, or remove sslmode.`)
  }
  // What is left are mostly certificate errors, whose code says it best (DEPTH_ZERO_SELF_SIGNED_CERT).
  return say(`${at} could not be reached${code === undefined ? '' : ` (${code})`}: check DATABASE_URL.`)
}

/**
 * True for what the driver reports when a connection ended below a query: the query may or may not have been
 * executed. An error that the server sent for the query itself is not one.
 */
export function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = errorCode(error)
  if (
    code !== undefined &&
    /^(57P0[1-5]|08...|ECONNRESET|EPIPE|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH)$/.test(code)
  ) {
    return true
  }
  return /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout)/.test(
    error.message,
  )
}
