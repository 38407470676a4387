import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { AuthorizationDetail } from '@valetkey/protocol'
import { type Failure, misuse, systemCode } from '../failure.ts'
import type { Shell } from '../shell.ts'

type Source = Pick<Shell, 'folder' | 'stdin'>

const defaultLimitBytes = 1_048_576

/**
 * Reads a secret given as `@file` or `@-` (stdin), without the white space around it.
 *
 * A bare value is refused: arguments are seen by every user of the machine and stay in the shell's history.
 */
export async function readSecret(source: Source, flag: string, value: string): Promise<string> {
  if (!value.startsWith('@'))
    throw misuse(
      `${flag} takes @file or @-, never the value itself: arguments are visible to other programs and stay in the shell's history`,
    )
  const text = (await readReference(source, flag, value)).trim()
  if (text === '') throw misuse(`${flag}: the input is empty`)
  return text
}

/** Reads JSON given inline, as `@file` or as `@-`. */
export async function readJson(source: Source, flag: string, value: string): Promise<unknown> {
  const text = value.startsWith('@') ? await readReference(source, flag, value) : value
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, and the text may hold a secret.
    throw misuse(`${flag} is not valid JSON`)
  }
}

/** Reads a JSON object; see {@link readJson}. */
export async function readObject(
  source: Source,
  flag: string,
  value: string,
): Promise<Readonly<Record<string, unknown>>> {
  const parsed = await readJson(source, flag, value)
  if (!isObject(parsed)) throw misuse(`${flag} must be a JSON object`)
  return parsed
}

/** Reads a list of authorization details (RFC 9396); see {@link readJson}. */
export async function readDetails(
  source: Source,
  flag: string,
  value: string,
): Promise<readonly AuthorizationDetail[]> {
  const parsed = await readJson(source, flag, value)
  if (!Array.isArray(parsed) || !parsed.every(isDetail))
    throw misuse(`${flag} must be a JSON array of objects that each have a "type"`)
  return parsed
}

/** Reads a text file whose name was given, `-` for stdin. */
export async function readText(
  source: Source,
  flag: string,
  path: string,
  limitBytes: number,
): Promise<string> {
  return await readReference(source, flag, `@${path}`, limitBytes)
}

async function readReference(
  source: Source,
  flag: string,
  value: string,
  limitBytes: number = defaultLimitBytes,
): Promise<string> {
  const path = value.slice(1)
  if (path === '') throw misuse(`${flag}: a file name must follow the @`)
  return path === '-'
    ? await readStdin(source.stdin, flag, limitBytes)
    : await readFile(resolve(source.folder, path), flag, limitBytes)
}

async function readFile(path: string, flag: string, limitBytes: number): Promise<string> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(flag, path, error)
  })
  try {
    return await collectText(handle.createReadStream({ autoClose: false }), flag, limitBytes)
  } catch (error) {
    throw systemCode(error) === undefined ? error : unreadable(flag, path, error)
  } finally {
    await handle.close()
  }
}

function unreadable(flag: string, path: string, error: unknown): Failure {
  return misuse(`${flag}: the file ${path} cannot be read (${systemCode(error) ?? 'unknown reason'})`)
}

async function readStdin(stdin: Shell['stdin'], flag: string, limitBytes: number): Promise<string> {
  if (stdin.isTTY === true) throw misuse(`${flag}: @- reads what is piped in, and nothing is`)
  return await collectText(stdin, flag, limitBytes)
}

async function collectText(
  stream: AsyncIterable<Uint8Array | string>,
  flag: string,
  limitBytes: number,
): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk)
    size += bytes.length
    if (size > limitBytes) throw misuse(`${flag}: the input is larger than ${limitBytes / 1_048_576} MiB`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isDetail(value: unknown): value is AuthorizationDetail {
  return isObject(value) && typeof value.type === 'string'
}
