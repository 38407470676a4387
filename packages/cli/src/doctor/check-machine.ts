import { type Finding, fail, ok } from './finding.ts'

const needed: readonly [number, number] = [20, 16]

/** Whether this Node is new enough. */
export function checkNode(current: string): Finding {
  const [major = 0, minor = 0] = current.split('.').map(Number)
  const enough = major > needed[0] || (major === needed[0] && minor >= needed[1])
  return enough
    ? ok('node', `Node ${current}`)
    : fail('node', `Node ${current} is too old`, `Install Node ${needed.join('.')} or later.`)
}
