import {
  type ConnectorSettings,
  type Driver,
  InvalidSettings,
  type MintedToken,
  type MintRefusal,
  type MintRequest,
  type ProviderAccess,
  ProviderFault,
} from '@valetkey/connectors'
import type { BrokerContext } from '../context.ts'
import { EgressRefused } from '../egress/egress-fetch.ts'
import { accept, type Outcome, type Refusal, refuse } from '../refusal.ts'

/** One call to a provider: connecting, waiting, reading. */
const providerTimeoutMs = 10_000

/** What came of ending something at its provider. `unsupported`: there is no call for it, or nothing left to end. */
export type EndingOutcome = 'revoked' | 'unsupported' | 'failed'

/** Ends one token at its provider; `unsupported` where it has no call for that. Never throws. */
export async function endAtProvider(
  context: BrokerContext,
  driver: Driver,
  settings: ConnectorSettings,
  token: string,
): Promise<EndingOutcome> {
  if (driver.revokeToken === undefined) return 'unsupported'
  try {
    const outcome = await driver.revokeToken(settings, token, providerAccess(context))
    context.metrics.providerCall(driver.service, 'revoke', 'ok')
    return outcome === 'unsupported' ? 'unsupported' : 'revoked'
  } catch (error) {
    context.metrics.providerCall(driver.service, 'revoke', 'fault')
    context.log('warn', 'a token could not be ended at its provider', {
      service: driver.service,
      fault: faultName(error),
    })
    return 'failed'
  }
}

/** The access to its provider that a driver gets for one call. */
export function providerAccess(context: BrokerContext): ProviderAccess {
  const reach: typeof globalThis.fetch = async (input, init) => {
    // The host alone: paths and queries may hold credentials.
    const { hostname } = new URL(input instanceof Request ? input.url : input)
    try {
      return await context.tracing.step('valetkey.provider', { 'server.address': hostname }, () =>
        context.egress.fetch(input, init),
      )
    } catch (error) {
      // Said to operators and callers alike: without it a broker that may not reach a host looks like a dead host.
      if (error instanceof EgressRefused) throw new ProviderFault(error.message)
      throw error
    }
  }
  return { fetch: reach, now: context.now, signal: AbortSignal.timeout(providerTimeoutMs) }
}

/** What an error may be called in a log: its class, never its message, which may quote an upstream body. */
export function faultName(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}

/** Has a driver mint; a refusal or fault of the provider comes back as a refusal of ours. */
export async function callProvider(
  context: BrokerContext,
  driver: Driver,
  settings: ConnectorSettings,
  request: MintRequest,
): Promise<Outcome<MintedToken>> {
  try {
    const result = await driver.mint(settings, request, providerAccess(context))
    if (driver.behaviour.callsProvider) {
      context.metrics.providerCall(driver.service, 'mint', result.outcome === 'minted' ? 'ok' : 'refused')
    }
    return result.outcome === 'minted' ? accept(result) : refuse(refusalOf(result))
  } catch (error) {
    context.metrics.providerCall(driver.service, 'mint', 'fault')
    return refuse(refusalOfFault(driver, error))
  }
}

/** A fault on the way to a provider as a refusal; anything that is not one is a defect and goes on up. */
export function refusalOfFault(driver: Driver, error: unknown): Refusal {
  // The connector itself lacks something: its message names the field and never a value.
  if (error instanceof InvalidSettings) return { reason: 'credential_absent', message: error.message }
  if (error instanceof ProviderFault) {
    return { reason: 'provider_fault', message: error.message }
  }
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')) {
    return {
      reason: 'provider_fault',
      message: `${driver.title} did not answer within ${providerTimeoutMs / 1000} s`,
    }
  }
  throw error
}

/** A definite no of a driver as a refusal of ours. */
export function refusalOf(refusal: MintRefusal): Refusal {
  switch (refusal.reason) {
    case 'no_credential':
      return { reason: 'credential_absent', message: refusal.message }
    case 'installation_required':
      return { reason: 'installation_required', message: refusal.message }
    case 'above_grant':
      return { reason: 'above_grant', message: refusal.message }
    case 'invalid_request':
      return { reason: 'request_invalid', message: refusal.message }
    case 'provider_refused':
      return { reason: 'provider_refused', message: refusal.message }
  }
}
