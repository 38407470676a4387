import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { type PlatformDescription, startPlatform } from './start-platform.ts'

/** A platform that puts its token into a variable before the workload starts. */
export interface VariablePlatform {
  readonly description: PlatformDescription
  /** The variable that holds the token. */
  readonly variable: string
  readonly audience: string
  /** The other variables. */
  readonly variables: Readonly<Record<string, string>>
}

export async function startVariablePlatform(
  { description, variable, audience, variables }: VariablePlatform,
  options: PlatformOptions,
): Promise<FakePlatform> {
  const core = await startPlatform(description, options)
  return {
    ...core,
    get environment() {
      const token = core.handOut(audience)
      return { ...variables, ...(token === undefined ? undefined : { [variable]: token }) }
    },
  }
}
