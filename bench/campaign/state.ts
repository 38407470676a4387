import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What of a campaign is done already, so that one that was stopped goes on where it was. */
export interface CampaignState {
  get<Value>(key: string): Value | undefined
  set(key: string, value: object): void
  /** Forgets everything: the campaign is over. */
  remove(): void
}

/** The state of the campaign that was started with these options; any other begins anew. */
export function openState(options: Readonly<Record<string, unknown>>, fresh: boolean): CampaignState {
  const path = join(tmpdir(), 'valetkey-campaign.json')
  const about = JSON.stringify(options)
  const found = fresh || !existsSync(path) ? undefined : (JSON.parse(readFileSync(path, 'utf8')) as Stored)
  const stored: Stored = found?.about === about ? found : { about, done: {} }
  return {
    get: <Value>(key: string) => stored.done[key] as Value | undefined,
    set(key, value) {
      stored.done[key] = value
      // Whole or not at all: a campaign may be killed while it writes.
      writeFileSync(`${path}.new`, JSON.stringify(stored))
      renameSync(`${path}.new`, path)
    },
    remove: () => rmSync(path, { force: true }),
  }
}

interface Stored {
  readonly about: string
  readonly done: Record<string, object>
}
