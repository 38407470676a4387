import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { failed, misuse, systemCode } from '../failure.ts'
import { cell, count } from '../output/text.ts'
import type { OutputStream } from '../shell.ts'
import { examples } from './examples.ts'

/** Adds `audit export`. */
export function addAuditExport(audit: Command, act: Act): void {
  audit
    .command('export')
    .description('Write the whole audit trail as JSON Lines, with what `audit verify --file` needs.')
    .option('--output <file>', 'write to this file (mode 0600) instead of stdout')
    .addHelpText(
      'after',
      examples('valetkey audit export --output audit.jsonl', 'valetkey audit export | gzip > audit.jsonl.gz'),
    )
    .action(act(exportTrail))
}

async function exportTrail(context: Context, options: { readonly output?: string }): Promise<void> {
  const { shell, output } = context
  // Many lines are not one document.
  if (output.json && options.output === undefined) throw misuse('With --json, audit export needs --output')
  const { client } = await connectToBroker(context)
  const chunks = await client.stream('/v1/audit/export')
  if (options.output === undefined) {
    for await (const chunk of chunks) await writeChunk(shell.stdout, chunk)
    return
  }
  const file = resolve(shell.folder, options.output)
  const written = await writeExport(file, chunks)
  output.result({ file, ...written }, () => `Wrote ${count(written.lines, 'line')} to ${cell(file)}.`)
  output.next(`\`valetkey audit verify --file ${cell(options.output)}\`.`)
}

function writeChunk(stream: OutputStream, chunk: Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    stream.write(chunk, (error) => {
      if (error === undefined || error === null) done()
      else fail(failed('aborted', 'The export was cut: nothing reads stdout any more'))
    })
  })
}

async function writeExport(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly lines: number; readonly bytes: number }> {
  // Under its own name only once it is whole: half an export looks like a trail that was cut.
  const draft = `${file}.partial`
  const handle = await open(draft, 'w', 0o600).catch((error: unknown) => {
    throw misuse(`--output: the file cannot be written (${systemCode(error) ?? 'unknown reason'})`)
  })
  try {
    const written = await writeAll(handle, chunks)
    await rename(draft, file)
    return written
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

async function writeAll(
  handle: FileHandle,
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly lines: number; readonly bytes: number }> {
  let lines = 0
  let bytes = 0
  try {
    await handle.chmod(0o600)
    for await (const chunk of chunks) {
      await handle.appendFile(chunk)
      bytes += chunk.length
      for (const byte of chunk) if (byte === 0x0a) lines += 1
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return { lines, bytes }
}
