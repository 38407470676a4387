import { findKnownIssuer, type KnownIssuer, type SubjectShape } from './known-issuers.ts'

type Claims = Readonly<Record<string, readonly string[]>>

/**
 * Says what a rule lacks to name one workload and nobody else's; undefined when it lacks nothing.
 *
 * Either `sub` is pinned as far as it names tenant and project, or all ids of one set are given in full. On an
 * issuer that signs for everyone (GitHub), a rule without either admits strangers.
 */
export function whyNotIdentifying(
  issuer: string,
  claims: Claims,
  /** An issuer with the same ids, for a rule about an issuer that is not known. */
  sameIdsAs: string = issuer,
): string | undefined {
  const known = findKnownIssuer(issuer) ?? findKnownIssuer(sameIdsAs)
  if (known?.ids.some((set) => set.every((name) => isLiteral(claims[name]))) === true) return undefined

  const subjects = Object.hasOwn(claims, 'sub') ? claims.sub : undefined
  if (subjects === undefined) return `claims: nothing says which workload it is: ${needed(known)}`
  const subject = known?.subject
  if (subject === undefined) return undefined
  const loose = subjects.find((value) => !isPinned(value, subject))
  if (loose === undefined) return undefined
  return `claims.sub: "${loose}" could be another tenant's on ${known?.platform}: ${howToPin(subject)}`
}

function isLiteral(values: readonly string[] | undefined): boolean {
  return values?.every((value) => !value.includes('*')) === true
}

function isPinned(value: string, subject: SubjectShape | 'literal'): boolean {
  if (subject === 'literal') return !value.includes('*')
  const tenant = value.split(subject.separator).slice(0, subject.literalSegments)
  return (
    subject.prefixes.some((prefix) => value.startsWith(prefix)) &&
    tenant.every((segment) => segment !== '' && !segment.includes('*'))
  )
}

function needed(known: KnownIssuer | undefined): string {
  const sets = [['sub'], ...(known?.ids ?? [])].map((set) => set.map((name) => `"${name}"`).join(' with '))
  return `add ${sets.join(', or ')}`
}

function howToPin(subject: SubjectShape | 'literal'): string {
  if (subject === 'literal') return 'write it without *'
  const begins = subject.prefixes.filter((prefix) => prefix !== '').map((prefix) => `"${prefix}"`)
  const start = begins.length === 0 ? '' : `begin with ${begins.join(' or ')} and `
  return `${start}write the first ${subject.literalSegments} parts between "${subject.separator}" without *`
}
