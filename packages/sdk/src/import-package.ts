/**
 * A package that the app may have, or undefined. Its name is no literal in an `import`, so that bundlers neither look
 * for it nor carry it.
 */
export async function importPackage<Module>(name: string): Promise<Partial<Module> | undefined> {
  try {
    return await import(/* @vite-ignore */ /* webpackIgnore: true */ name)
  } catch {
    return undefined
  }
}
