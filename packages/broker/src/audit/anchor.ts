import type { JSONWebKeySet } from 'jose'
import * as z from 'zod'
import { type ChainHead, chainHeadSchema } from './chain.ts'
import { type CheckpointKey, signStatement, verifyStatement } from './checkpoint.ts'

/**
 * What retention took out of the trail, in full: each anchor repeats what earlier ones said, so that the newest is
 * all a verifier needs.
 */
export interface Anchor {
  /** The last event that was dropped of each chain; every event before it was dropped with it. */
  readonly dropped: readonly ChainHead[]
  /** The heads that only dropped openings named: without them here, nothing would bind those chains any more. */
  readonly heads: readonly ChainHead[]
}

/** Signs an anchor; gives a compact JWS of type `vk-anchor+jwt`, ES256, claims `iss`, `iat` (seconds), {@link Anchor}. */
export type AnchorSigner = (anchor: Anchor) => Promise<string>

/** An anchor after its signature was looked at; one that is not trusted licenses nothing and says why. */
export type VerifiedAnchor =
  | ({ readonly trusted: true; readonly signedAtMs: number } & Anchor)
  | { readonly trusted: false; readonly problem: string }

/**
 * A type of its own, although it is the checkpoints' key that signs: a checkpoint says that events are there, an
 * anchor that they may be gone. Were one taken for the other, each stored checkpoint would let whoever can write to
 * the database drop everything before it.
 */
const type = 'vk-anchor+jwt'

const claimsSchema = z.object({
  iss: z.string(),
  iat: z.number(),
  dropped: z.array(chainHeadSchema),
  heads: z.array(chainHeadSchema),
})

/** Creates a signer; `publicUrl` becomes `iss`. */
export function createAnchorSigner(options: {
  readonly key: Pick<CheckpointKey, 'kid' | 'privateKey'>
  readonly publicUrl: string
  readonly now: () => number
}): AnchorSigner {
  return ({ dropped, heads }) => signStatement({ ...options, type, claims: { dropped, heads } })
}

/** Checks an anchor's signature and shape, as `verifyCheckpoint` does. Never throws. */
export async function verifyAnchor(
  jws: string,
  options: { readonly keys: JSONWebKeySet },
): Promise<VerifiedAnchor> {
  const { keys } = options
  const verified = await verifyStatement(jws, { keys, type, what: 'anchor', claims: claimsSchema })
  if (!verified.trusted) return verified
  const { iat, dropped, heads } = verified.claims
  return { trusted: true, signedAtMs: iat * 1000, dropped, heads }
}
