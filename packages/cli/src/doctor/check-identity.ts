import { asFailure, Failure } from '../failure.ts'
import { type IdentityFinding, probeIdentity } from '../identity/probe.ts'
import { findWorkload } from '../identity/workload.ts'
import type { Shell } from '../shell.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** Which identity the SDK would use here, and whether it still lives. */
export async function checkIdentity(shell: Shell): Promise<readonly Finding[]> {
  const workload = await findWorkload(shell).catch(asFailure)
  // Said once already, by the check of the broker.
  if (workload instanceof Failure) return []
  const notice =
    workload.notice === undefined ? [] : [warn('identity', workload.notice, '`valetkey env pull`')]
  const found = await probeIdentity(shell, workload).catch(asFailure)
  if (found instanceof Failure) return [...notice, fail('identity', found.message, found.next ?? '')]
  if (!found.found)
    return [
      ...notice,
      warn(
        'identity',
        `${found.reason.replace(/\.$/, '')}${askedOf(found.sources)}`,
        'Workloads need one: `valetkey env pull --project PROJECT --environment development`. Managing a broker does not.',
      ),
    ]
  const { claims, source, weakness } = found
  const weak = weakness === undefined ? [] : [warn('identity', weakness, 'docs/identity.md says what to do.')]
  if (claims === undefined) return [...notice, ok('identity', `A workload access token, from ${source}`)]
  if (claims.exp !== undefined && claims.exp * 1000 <= shell.now())
    return [
      ...notice,
      fail('identity', `The identity from ${source} has expired`, 'Run `valetkey env pull` again.'),
    ]
  const whose = `${claims.sub ?? 'no sub'} of ${claims.iss ?? 'no iss'}, from ${source}`
  return [...notice, ok('identity', whose), ...weak]
}

/** The sources that were asked and had none; those that come after a broken one were not asked. */
function askedOf(sources: IdentityFinding['sources']): string {
  const asked = sources.filter(({ outcome }) => outcome === 'declined')
  if (asked.length === 0) return ''
  return `. Asked, in this order: ${asked.map(({ name, reason }) => `${name} (${reason})`).join('; ')}`
}
