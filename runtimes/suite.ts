import { consentChecks } from './suite/consent.ts'
import { entryChecks } from './suite/entries.ts'
import type { Check, Environment } from './suite/environment.ts'
import { failureChecks } from './suite/failures.ts'
import { fetchChecks } from './suite/fetching.ts'
import { identityChecks } from './suite/identities.ts'
import type { Report } from './suite/protocol.ts'
import { renewalChecks } from './suite/renewal.ts'
import { tokenChecks } from './suite/tokens.ts'

const independent: readonly Check[] = [
  ...entryChecks,
  ...tokenChecks,
  ...failureChecks,
  ...renewalChecks,
  ...fetchChecks,
  ...consentChecks,
]

/** Runs every check on the runtime that this is. Web standards only: nothing here may belong to one runtime. */
export async function runSuite(environment: Environment): Promise<Report> {
  const passed: string[] = []
  const failed: Record<string, string> = {}
  const run = async (check: Check): Promise<void> => {
    try {
      await check.run(environment)
      passed.push(check.name)
    } catch (error) {
      failed[check.name] = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    }
  }
  const isMeant = ({ needs }: Check): boolean =>
    needs === undefined || environment.settings.abilities.includes(needs)
  await Promise.all(independent.filter(isMeant).map(run))
  for (const check of identityChecks.filter(isMeant)) await run(check)
  return { version: environment.runtime.version, passed: passed.sort(), failed }
}
