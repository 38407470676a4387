export { tokenExchange } from './token-exchange.ts'
export type { ClientAuthentication, ClientKey, ExchangeTarget, TokenExchangeConfig } from './types.ts'
