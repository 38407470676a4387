import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { KeyRing } from '../secrets/key-ring.ts'
import { open, seal } from '../secrets/seal.ts'
import { subjectSecretContext, subjectSecretName } from '../secrets/sealed-columns.ts'
import type { Schema } from '../store/schema.ts'

/**
 * The secret behind every `sub` that the gateway gives out, made on first use. Replicas that start at the same moment
 * get the same one. It is of its own, and not derived from the key ring: the ring's keys come and go, and with them
 * everybody would become somebody else.
 *
 * @throws {SealBroken | KeyMissing} when the stored one does not open
 */
export async function loadSubjectSecret(db: Kysely<Schema>, ring: KeyRing): Promise<KeyObject> {
  const stored = await read(db)
  if (stored !== undefined) return openSecret(ring, stored)
  const secret = randomBytes(32).toString('base64url')
  await db
    .insertInto('installation')
    .values({ name: subjectSecretName, value: seal(ring, subjectSecretContext, secret) })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const winner = await read(db)
  if (winner === undefined) throw new Error('The secret of the sign-in gateway was not stored')
  return openSecret(ring, winner)
}

/**
 * The `sub` of a person for one project (OpenID Connect Core §8.1): two projects can't tell that they have the same
 * person, and nobody without the secret can tell who it is. The connector stands for its provider: what one provider
 * calls its user 1 must never become the user 1 of another; nor must that of one tenant, where providers number their
 * users in each.
 */
export function pairwiseSubject(
  secret: KeyObject,
  person: {
    readonly projectId: string
    readonly connectorId: string
    readonly externalSubject: string
    /** Absent where the provider names none. */
    readonly tenantId?: string | undefined
  },
): string {
  const { projectId, connectorId, externalSubject, tenantId } = person
  // A JSON array, so that no two persons share an encoding.
  const named = ['valetkey.subject.v1', projectId, connectorId, externalSubject]
  const text = JSON.stringify(tenantId === undefined || tenantId === '' ? named : [...named, tenantId])
  return createHmac('sha256', secret).update(text).digest('base64url')
}

async function read(db: Kysely<Schema>): Promise<string | undefined> {
  const row = await db
    .selectFrom('installation')
    .select('value')
    .where('name', '=', subjectSecretName)
    .executeTakeFirst()
  return row?.value
}

function openSecret(ring: KeyRing, sealed: string): KeyObject {
  return createSecretKey(Buffer.from(open(ring, subjectSecretContext, sealed), 'base64url'))
}
