import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

/** Where Chromium is: `CHROMIUM_PATH`, else `chromium` on the PATH. */
function findChromium(): string | undefined {
  const named = process.env.CHROMIUM_PATH
  if (named !== undefined && named !== '') return isExecutable(named) ? named : undefined
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, 'chromium')).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const executablePath = findChromium()
const howToGetOne = 'install chromium, or name one in CHROMIUM_PATH'

/**
 * Why tests in a browser are skipped here; `undefined` where they run. Say it in the title of what is skipped:
 * `describe.skipIf(browserMissing !== undefined)(…)`.
 *
 * With `VALETKEY_REQUIRE_BROWSER=1` nothing is skipped, and {@link launchChromium} fails instead.
 */
export const browserMissing: string | undefined =
  executablePath === undefined && process.env.VALETKEY_REQUIRE_BROWSER !== '1'
    ? `no browser: ${howToGetOne}`
    : undefined

/** Starts a headless Chromium of one's own, with an empty profile. Close it afterwards. */
export async function launchChromium(): Promise<Browser> {
  if (executablePath === undefined) throw new Error(`There is no browser here: ${howToGetOne}`)
  return chromium.launch({
    executablePath,
    // Its sandbox needs user namespaces, which containers refuse. It opens our own pages only.
    args: ['--no-sandbox', '--disable-background-networking'],
  })
}
