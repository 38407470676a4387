import { verifyCheckpoint } from './checkpoint.ts'
import { parseExport } from './parse-export.ts'
import { type AuditVerification, verifyAuditTrail } from './verify.ts'

/**
 * Verifies an export offline: its chain, and its tail against checkpoints that were kept elsewhere.
 *
 * The keys come with the export. Whoever forged one could put other keys in, but then the checkpoints given here,
 * which he doesn't have, no longer verify. Without any, the tail is unproven: the export's own last checkpoint could
 * have been cut and signed anew with the rest.
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
  return verifyAuditTrail(parsed.events, checkpoints, { closing })
}
