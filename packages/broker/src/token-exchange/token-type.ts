import type { BrokerContext } from '../context.ts'

/** `token_type` for what a connector of this type hands out. */
export function tokenTypeOf(
  context: Pick<BrokerContext, 'drivers'>,
  connectorType: string,
): 'Bearer' | 'N_A' {
  return context.drivers.find((driver) => driver.type === connectorType)?.behaviour.tokenType ?? 'Bearer'
}
