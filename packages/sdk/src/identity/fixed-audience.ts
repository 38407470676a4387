const fixed =
  'Its audience is the platform’s and not the issuing point’s: whoever receives it can use it wherever'

/**
 * The sources whose tokens name the platform's own audience and no other, and what that means. They are asked only by
 * name.
 */
export const fixedAudiences: ReadonlyMap<string, string> = new Map([
  ['semaphore', `${fixed} that organization’s jobs are trusted, for a day`],
  ['spacelift', `${fixed} that account’s runs are trusted`],
  ['modal', `${fixed} that function is trusted`],
])
