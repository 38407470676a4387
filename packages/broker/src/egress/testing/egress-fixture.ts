import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createEgress, type Egress, type EgressOptions, EgressRefused, type Lookup } from '../egress-fetch.ts'

/** What a test has started and {@link cleanUp} ends, last first. */
export const cleanups: (() => unknown)[] = []

/** Ends everything; give it to `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

/** Serves http on a free loopback port and keeps the paths asked for. */
export async function serve(
  listener: RequestListener,
): Promise<{ readonly port: number; readonly paths: string[] }> {
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(request.url ?? '')
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port, paths }
}

/** An egress that is closed after the test; production's rules unless told otherwise. */
export function egress(options: Partial<EgressOptions> = {}): Egress {
  const made = createEgress({ allow: [], allowLoopback: false, ...options })
  cleanups.push(() => made.close())
  return made
}

/** Answers each lookup with the next list, the last one for ever. */
export function answers(...lists: readonly (readonly string[])[]): Lookup & { readonly asked: string[] } {
  const asked: string[] = []
  const lookup = async (hostname: string) => {
    const list = lists[Math.min(asked.length, lists.length - 1)] ?? []
    asked.push(hostname)
    return list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  return Object.assign(lookup, { asked })
}

/** The reason a call was refused for, or what happened instead. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof EgressRefused ? error.reason : `not refused: ${String(error)}`
}
