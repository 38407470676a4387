import { createFetch } from '@valetkey/sdk'

const linear = createFetch('linear/mybot', { subject: { type: 'user', id: 'user_42' } })

await linear('https://api.linear.app/graphql', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query: '{ viewer { name } }' }),
})
