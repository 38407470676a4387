import { getToken } from '@valetkey/sdk'

/** Says something in Slack, and returns Slack's answer. */
export async function announce(text: string): Promise<unknown> {
  const token = await getToken('slack/mybot', { subject: { type: 'app' } })
  const answer = await fetch('https://slack.com/api/chat.postMessage', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ channel: 'general', text }),
  })
  return answer.json()
}
