import { getToken } from '@valetkey/sdk'

const token = await getToken('github/mybot', {
  subject: { type: 'app' },
  authorizationDetails: [
    {
      type: 'github_app_installation',
      repositories: ['acme/website'],
      permissions: ['contents:read'],
    },
  ],
})

await fetch('https://api.github.com/repos/acme/website/readme', {
  headers: { authorization: `Bearer ${token}` },
})
