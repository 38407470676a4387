import { asFailure, Failure } from '../failure.ts'
import { type IdentityFinding, probeIdentity, pulledSource } from '../identity/probe.ts'
import { credentialText, howToLoad } from '../identity/words.ts'
import type { Shell } from '../shell.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Which identity the SDK would use here, and whether it still lives. */
export async function checkIdentity(shell: Shell): Promise<readonly Finding[]> {
  const found = await probeIdentity(shell).catch(asFailure)
  // Without a broker: said once already, by the check of the broker.
  if (found instanceof Failure)
    return found.code === 'issuing_point_missing' ? [] : [fail('identity', found.message, found.next ?? '')]
  const notice =
    found.notice === undefined ? [] : [warn('identity', found.notice, '`valetkey whoami` says more.')]
  return [...notice, ...(found.found ? ofIdentity(found) : [ofNone(found)])]
}

type Found = Extract<IdentityFinding, { found: true }>
type None = Extract<IdentityFinding, { found: false }>

function ofIdentity({ claims, source, weakness }: Found): readonly Finding[] {
  const weak = weakness === undefined ? [] : [warn('identity', weakness, 'docs/identity.md says what to do.')]
  const whose =
    claims === undefined ? credentialText(source) : `${claims.sub ?? 'no sub'} of ${claims.iss ?? 'no iss'}`
  const from = source === pulledSource ? `${source}, ${howToLoad}` : source
  return [ok('identity', `${whose}, from ${from}`), ...weak]
}

function ofNone({ source, reason, sources }: None): Finding {
  const sentence = reason.replace(/\.$/, '')
  if (source !== undefined) {
    const next =
      source === pulledSource
        ? 'Run `valetkey env pull` again.'
        : 'docs/identity.md has a section for each platform.'
    return fail('identity', sentence, next)
  }
  const used = sources.find(({ outcome }) => outcome === 'used')?.name
  // Only the broker is missing.
  if (used !== undefined)
    return warn('identity', `${sentence}. With one, ${used} is the source`, 'Set VALETKEY_URL for the app.')
  return warn(
    'identity',
    `${sentence}${askedOf(sources)}`,
    'Workloads need one: `valetkey env pull --project PROJECT --environment development`. Managing a broker does not.',
  )
}

/** The sources that were asked and had none. */
function askedOf(sources: IdentityFinding['sources']): string {
  const asked = sources.filter(({ outcome }) => outcome === 'declined')
  if (asked.length === 0) return ''
  return `. Asked, in this order: ${asked.map(({ name, reason }) => `${name} (${reason})`).join('; ')}`
}
