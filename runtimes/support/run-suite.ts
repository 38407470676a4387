import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Project } from '../../tooling/packed/project.ts'
import type { WorkerPath } from '../hosts/worker.ts'
import type { Report, Settings } from '../suite/protocol.ts'

/** Runs the suite in a process of its own and reads the line that it prints. */
export async function runInProcess(
  project: Project,
  binary: string,
  args: readonly string[],
  settings: Settings,
): Promise<Report> {
  const variables = {
    DENO_DIR: join(project.folder, 'deno'),
    DENO_NO_UPDATE_CHECK: '1',
    // Bun and Deno would ask a proxy for what is on this machine.
    NO_PROXY: '127.0.0.1',
    no_proxy: '127.0.0.1',
  }
  const { code, stdout, stderr } = await project.run(
    binary,
    [...args, join(project.folder, 'host.mjs'), JSON.stringify(settings)],
    variables,
  )
  if (code !== 0 || stderr !== '') throw new Error(`the host exited with ${code}: ${stderr}${stdout}`)
  return JSON.parse(stdout) as Report
}

/** Asks a Worker, on the workerd that miniflare brings, several things one after the other: a request each. */
export async function runInWorker(
  project: Project,
  compatibilityFlags: readonly string[],
  settings: Settings,
  paths: readonly WorkerPath[],
): Promise<readonly unknown[]> {
  // Here and not above: where there is no workerd, the package cannot even be loaded.
  const { Miniflare } = await import('miniflare')
  const contents = await readFile(join(project.folder, 'worker.mjs'), 'utf8')
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.mjs', contents }],
    compatibilityDate: '2026-07-30',
    compatibilityFlags: [...compatibilityFlags],
  })
  try {
    const answers: unknown[] = []
    for (const path of paths) {
      const body = JSON.stringify(settings)
      const response = await miniflare.dispatchFetch(`http://worker.example${path}`, { method: 'POST', body })
      const text = await response.text()
      if (!response.ok) throw new Error(`the Worker answered ${response.status}: ${text.slice(0, 2000)}`)
      answers.push(JSON.parse(text))
    }
    return answers
  } finally {
    await miniflare.dispose()
  }
}
