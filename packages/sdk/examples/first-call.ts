import { getToken } from '@valetkey/sdk'

const token = await getToken('slack/mybot', { subject: { type: 'app' } })

await fetch('https://slack.com/api/auth.test', { headers: { authorization: `Bearer ${token}` } })
