import { type Client, createClient } from '@valetkey/sdk'
import { tokenExchange } from '@valetkey/sdk/token-exchange'

export const valetkey: Client = createClient({
  issuingPoint: tokenExchange({ issuer: 'https://broker.example' }),
})
