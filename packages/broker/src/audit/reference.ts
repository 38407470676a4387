import { sha256 } from '../digest.ts'

/** What names look like when they are names. */
const grammar: Readonly<Record<string, RegExp>> = {
  connector: /^(?:scl_[\w-]{1,32}|[\w.@-]{1,63}\/[\w.@-]{1,63})$/,
  project: /^(?:prj_[\w-]{1,32}|[a-z0-9][a-z0-9._-]{0,39})$/i,
  rule: /^trr_[\w-]{1,32}$/,
  id: /^vat_[\w-]{1,32}$/,
  grant: /^grt_[\w-]{1,32}$/,
  token: /^stk_[\w-]{1,32}$/,
  service: /^[a-z0-9-]{1,40}$/,
}

/**
 * How the audit trail names what a caller wrote where a name belongs.
 *
 * People put credentials where a name belongs, and the trail is kept for years: what does not look like a name of its
 * kind is recorded by its digest, by which somebody who has the text can still find it.
 */
export function auditReference(kind: string, value: string): string {
  return grammar[kind]?.test(value) === true ? value : `sha256:${sha256(value)}`
}
