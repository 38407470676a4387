import { type Finding, fail, ok } from './finding.ts'

/** As `engines` of package.json says. */
const needed: readonly number[] = [20, 18, 1]

/** Whether this Node is new enough. */
export function checkNode(current: string): Finding {
  return isEnough(current)
    ? ok('node', `Node ${current}`)
    : fail('node', `Node ${current} is too old`, `Install Node ${needed.join('.')} or later.`)
}

function isEnough(current: string): boolean {
  const parts = current.split('.').map((part) => Number.parseInt(part, 10))
  const different = needed.findIndex((part, index) => part !== (parts[index] ?? 0))
  return different === -1 || (parts[different] ?? 0) > (needed[different] ?? 0)
}
