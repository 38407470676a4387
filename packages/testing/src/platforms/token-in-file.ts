import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { type PlatformDescription, startPlatform } from './start-platform.ts'

/** A platform that keeps a token in a file, in a folder of its own that `close` removes. */
export interface FilePlatform extends FakePlatform {
  readonly tokenFile: string
  /** Replaces the token in the file by a new one, at once: no reader sees half of it, or none. */
  rotate(): void
}

/** What such a platform is. */
export interface FilePlatformDescription {
  readonly description: PlatformDescription
  /** The variable that names the file. */
  readonly variable: string
  readonly audience: string
  readonly variables: Readonly<Record<string, string>>
}

/**
 * Writes as the kubelet does: each token in a folder of its own, `..data` a link to the newest, and the file a link
 * through it. Renaming a new link over `..data` changes all of the volume's files in one step.
 *
 * @see https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go
 */
export async function startFilePlatform(
  { description, variable, audience, variables }: FilePlatformDescription,
  options: PlatformOptions,
): Promise<FilePlatform> {
  const core = await startPlatform(description, options)
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-platform-'))
  const tokenFile = join(folder, 'token')
  let serial = 0
  const rotate = (): void => {
    const token = core.handOut(audience)
    const version = `..version-${++serial}`
    mkdirSync(join(folder, version))
    if (token !== undefined) writeFileSync(join(folder, version, 'token'), token, { mode: 0o600 })
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    if (serial > 1) rmSync(join(folder, `..version-${serial - 1}`), { recursive: true })
  }
  rotate()
  symlinkSync(join('..data', 'token'), tokenFile)
  return {
    ...core,
    environment: { ...variables, [variable]: tokenFile },
    tokenFile,
    rotate,
    misbehave(fault, times) {
      core.misbehave(fault, times)
      rotate()
    },
    async close() {
      await core.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
