import { eveChannel } from 'eve/channels/eve'

/** Who may talk to the agent: users by their key. An app would ask its own session. */
const users = new Map(Object.entries(JSON.parse(process.env.AGENT_KEYS ?? '{}') as Record<string, string>))

export default eveChannel({
  auth: (request) => {
    const principalId = users.get(request.headers.get('authorization')?.replace(/^Bearer /, '') ?? '')
    if (principalId === undefined) return null
    const issuer = 'https://app.example'
    return { principalType: 'user', principalId, issuer, authenticator: 'app-key', attributes: {} }
  },
})
