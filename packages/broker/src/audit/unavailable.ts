const messages = {
  stopped: 'The audit trail has stopped: nothing can be recorded, so nothing may be issued',
  full: 'The audit trail has too many events waiting: nothing can be recorded right now',
  unrecordable: 'The audit event is not plain JSON and was not recorded',
  failed: 'The audit event is not known to be recorded: the database refused it or could not be reached',
  stuck: 'The audit event is not known to be recorded: the database did not answer in time',
} as const

/**
 * Thrown when an event is not known to be committed: what it was to record must not happen. Holds nothing of
 * the event, nor of the database's error, whose text may quote the row.
 */
export class AuditUnavailable extends Error {
  override readonly name = 'AuditUnavailable'
  readonly why: keyof typeof messages

  constructor(why: keyof typeof messages) {
    super(messages[why])
    this.why = why
  }
}

/** What may be logged of a failure: a SQLSTATE or system code, else the error's name, never its message. */
export function failureName(error: unknown): string {
  if (error instanceof AuditUnavailable) return error.why
  if (typeof error !== 'object' || error === null) return 'unknown'
  if ('code' in error && typeof error.code === 'string' && /^[A-Z0-9_]{3,40}$/.test(error.code)) {
    return error.code
  }
  return error instanceof Error ? error.name : 'unknown'
}
