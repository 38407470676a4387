import { readFile } from 'node:fs/promises'
import { createClient } from '@valetkey/sdk'
import { tokenExchange } from '@valetkey/sdk/token-exchange'

// An app that knows no server: where tokens come from is in the file that it is given, who it is in its environment.
const settings = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8'))
const client = createClient({ issuingPoint: tokenExchange(settings.tokenExchange) })
const params = { subject: { type: 'app' }, scopes: ['read'] } as const
const { token, granted } = await client.getTokenResponse(settings.connector, params)
process.stdout.write(JSON.stringify({ token, scopes: granted?.scopes }))
