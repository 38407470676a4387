import type { GrantCredential } from '@valetkey/connectors'
import type { KeyRing } from '../secrets/key-ring.ts'
import { open, seal } from '../secrets/seal.ts'
import { type GrantPlace, grantContext } from '../secrets/sealed-columns.ts'
import type { GrantRow } from '../store/schema.ts'

/** Encrypts what a provider gave for one grant, and for one version of it. */
export function sealCredential(keyRing: KeyRing, place: GrantPlace, credential: GrantCredential): string {
  return seal(keyRing, grantContext(place), JSON.stringify(credential))
}

/**
 * A grant's credential in the clear, for one call of its driver.
 *
 * @throws {SealBroken | KeyMissing} as `open` does
 */
export function openCredential(
  keyRing: KeyRing,
  row: GrantPlace & Pick<GrantRow, 'credential'>,
): GrantCredential {
  // Whoever sealed it sealed a credential.
  return JSON.parse(open(keyRing, grantContext(row), row.credential))
}
