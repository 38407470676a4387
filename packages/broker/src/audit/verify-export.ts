import type { JSONWebKeySet } from 'jose'
import { verifyAnchor } from './anchor.ts'
import { verifyCheckpoint } from './checkpoint.ts'
import { parseExport } from './parse-export.ts'
import { type AuditVerification, verifyAuditTrail } from './verify.ts'

/**
 * Verifies an export offline: its chain, what retention dropped from it, and its tail against checkpoints that were
 * kept elsewhere.
 *
 * The keys come with the export. Whoever forged one could put other keys in, but then the checkpoints given here,
 * which he doesn't have, no longer verify. Without any, the tail is unproven: the export's own last checkpoint could
 * have been cut and signed anew with the rest; and so could the anchor for what `dropped` counts.
 *
 * @throws {ExportMalformed} when the file is no export.
 */
export async function verifyExport(
  lines: AsyncIterable<string>,
  options: { readonly checkpoints: readonly string[] },
): Promise<AuditVerification> {
  const parsed = await parseExport(lines)
  const { keys } = parsed
  const checkpoints = await Promise.all(options.checkpoints.map((jws) => verifyCheckpoint(jws, { keys })))
  // A file that was cut before its last line must not pass for a shorter trail.
  const closing = () => Promise.all(parsed.checkpoints().map((jws) => verifyCheckpoint(jws, { keys })))
  if (parsed.anchor === undefined) return verifyAuditTrail(parsed.events, checkpoints, { closing })
  const anchor = await verifyAnchor(parsed.anchor, { keys: await anchorKeys(keys, options.checkpoints) })
  return verifyAuditTrail(parsed.events, checkpoints, { closing, anchor })
}

/**
 * Of an export's keys, those that an anchor may be signed with: where checkpoints were kept elsewhere, the keys that
 * signed one of them. Otherwise a forger could leave the broker's key in, for the checkpoints, and put his own beside
 * it, for an anchor that drops what he wants to be gone.
 */
async function anchorKeys(keys: JSONWebKeySet, checkpoints: readonly string[]): Promise<JSONWebKeySet> {
  if (checkpoints.length === 0) return keys
  const signed = await Promise.all(
    keys.keys.map(async (key) => {
      const verified = await Promise.all(
        checkpoints.map((jws) => verifyCheckpoint(jws, { keys: { keys: [key] } })),
      )
      return verified.some((checkpoint) => checkpoint.trusted)
    }),
  )
  return { keys: keys.keys.filter((_, index) => signed[index]) }
}
