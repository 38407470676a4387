import { type Client, createClient } from '@valetkey/sdk'
import { tokenExchange } from '@valetkey/sdk/token-exchange'

const clients = new Map([['crm/orders', 'orders-service']])

export function clientOf(clientSecret: string): Client {
  return createClient({
    issuingPoint: tokenExchange({
      issuer: 'https://keycloak.example/realms/shop',
      clientId: 'agent',
      clientSecret,
      subjectTokenType: 'urn:ietf:params:oauth:token-type:access_token',
      target: (connector) => {
        const audience = clients.get(connector)
        return audience === undefined ? undefined : { audience }
      },
    }),
    identity: ({ audience }) => realmToken(audience),
  })
}

declare function realmToken(audience: string): Promise<string>
