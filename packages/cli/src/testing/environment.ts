import { onTestFinished, vi } from 'vitest'

/**
 * The whole environment of a command until the test has finished, in this process too: the SDK reads it there. Nothing
 * of the machine that runs the tests shows through, which may be a platform of its own.
 */
export function onlyEnvironment<Variables extends Readonly<Record<string, string>>>(
  variables: Variables,
): Variables {
  for (const name of Object.keys(process.env)) vi.stubEnv(name, undefined)
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  return variables
}

/** A JWT that nobody signed. */
export function unsignedJwt(claims: Readonly<Record<string, unknown>>): string {
  return `e30.${Buffer.from(JSON.stringify({ exp: 4_000_000_000, ...claims })).toString('base64url')}.c2ln`
}
