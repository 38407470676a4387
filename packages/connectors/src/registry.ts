import type { Driver } from './driver.ts'
import { apiKeyDriver } from './drivers/api-key.ts'
import { githubDriver } from './drivers/github.ts'
import { oauthDriver } from './drivers/oauth/oauth.ts'
import { googleDriver, linearDriver, microsoftDriver, oktaDriver } from './drivers/oauth/services.ts'
import { slackDriver } from './drivers/slack.ts'

/** Every driver there is. Adding a provider is one file and one line here. */
export const drivers: readonly Driver[] = [
  apiKeyDriver,
  githubDriver,
  googleDriver,
  linearDriver,
  microsoftDriver,
  oauthDriver,
  oktaDriver,
  slackDriver,
]

/** The driver of a service, or `undefined` when there is none of exactly that name. */
export function findDriver(service: string): Driver | undefined {
  return drivers.find((driver) => driver.service === service)
}
