/** The packages that go to the registry, in dependency order. */
export const publishedPackages: readonly { readonly directory: string; readonly hasExports: boolean }[] = [
  { directory: 'packages/protocol', hasExports: true },
  { directory: 'packages/connectors', hasExports: true },
  { directory: 'packages/sdk', hasExports: true },
  ...['mcp', 'ai-sdk', 'tanstack-ai', 'better-auth', 'authjs', 'eve'].map((name) => ({
    directory: `packages/adapters/${name}`,
    hasExports: true,
  })),
  { directory: 'packages/broker', hasExports: true },
  { directory: 'packages/cli', hasExports: false },
]
