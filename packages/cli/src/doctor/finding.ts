/** What one check of `doctor` found. */
export interface Finding {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  /** What to do about it. */
  readonly next?: string
}

/** All is well. */
export function ok(name: string, message: string): Finding {
  return { name, status: 'ok', message }
}

/** It works, but not as it should, or it is not set up yet. */
export function warn(name: string, message: string, next: string): Finding {
  return { name, status: 'warn', message, next }
}

/** It does not work. */
export function fail(name: string, message: string, next: string): Finding {
  return { name, status: 'fail', message, next }
}
