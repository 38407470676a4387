// An app on Deno Deploy, run as a process of its own: its packages are in the folder that it is given.
import { mkdirSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startDenoDeploy } from '@valetkey/testing/platforms'
import type { WorkloadOptions } from './workload.ts'

const [folder = ''] = process.argv.slice(2)
const nodeModules = join(folder, 'node_modules')
mkdirSync(nodeModules)
// As where the SDK is installed in the app, and not linked into it.
registerHooks({
  resolve: (specifier, context, nextResolve) =>
    specifier === '@deno/oidc'
      ? nextResolve(specifier, { ...context, parentURL: pathToFileURL(join(folder, 'app.js')).href })
      : nextResolve(specifier, context),
})

const { workloadOn } = await import('./workload.ts')
const { isConnectError } = await import('../../errors/connect-error.ts')
const platform = await startDenoDeploy({ nodeModules: join(folder, 'elsewhere') })

const outcomes: Record<string, unknown> = {}
async function record(name: string, options?: WorkloadOptions): Promise<void> {
  const { call, sent, identities } = workloadOn(platform, options)
  try {
    await call()
    await call('another')
    outcomes[name] = { audiences: identities().map((claims) => claims?.audiences), asked: platform.asked() }
  } catch (error) {
    if (!isConnectError(error)) throw error
    outcomes[name] = { code: error.code, message: error.message, sent: sent.length }
  }
}

await record('without the package')
const installed = await startDenoDeploy({ nodeModules })
await platform.close()
Object.assign(platform, installed)
await record('with it')
for (const fault of ['wrong-audience', 'expired', 'garbage', 'refuses', 'redirect'] as const) {
  platform.misbehave(fault)
  await record(fault)
}
platform.misbehave('hang')
await record('hang', { timeoutMs: 200 })
await platform.close()
process.stdout.write(JSON.stringify(outcomes))
process.exit()
