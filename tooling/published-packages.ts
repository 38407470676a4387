/** A package that goes to the registry. */
export interface PublishedPackage {
  readonly directory: string
  readonly hasExports: boolean
  /** Installed beside a framework, or a tool, which is its peer. */
  readonly isAdapter: boolean
}

/** The packages that go to the registry, in dependency order. */
export const publishedPackages: readonly PublishedPackage[] = [
  library('packages/protocol'),
  library('packages/connectors'),
  { ...library('packages/testing'), isAdapter: true },
  library('packages/sdk'),
  adapter('mcp'),
  adapter('ai-sdk'),
  adapter('tanstack-ai'),
  adapter('better-auth'),
  adapter('authjs'),
  adapter('eve'),
  library('packages/broker'),
  { ...library('packages/cli'), hasExports: false },
]

function library(directory: string): PublishedPackage {
  return { directory, hasExports: true, isAdapter: false }
}

function adapter(name: string): PublishedPackage {
  return { directory: `packages/adapters/${name}`, hasExports: true, isAdapter: true }
}
