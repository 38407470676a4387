import { verifyWebhook } from '@valetkey/sdk/webhooks'
import type { Check } from './environment.ts'
import { openScope } from './environment.ts'
import { expectEqual, expectRefusal, expectText } from './expect.ts'

const connector = 'weather/mybot'
const subject = { type: 'user', id: 'user_42' } as const
const destination = 'https://app.example/hooks/consent?a=b'
const active = JSON.stringify({ request: 'crq_1', status: 'active' })
const who = { project: 'shop', environment: 'production' } as const

/** Consent, and the webhooks that tell of it. */
export const consentChecks: readonly Check[] = [
  {
    name: 'starts an authorization and completes it',
    async run(environment) {
      const scope = openScope(environment)
      const client = scope.client()
      const callbackUrl = 'https://app.example/connected'
      const started = await client.startAuthorization(connector, { subject }, { callbackUrl })
      expectEqual('url', started.url, `${scope.url}/consent`)
      const { request, verifier } = started
      const asked = (await scope.seen()).at(-1)
      expectEqual('asked', asked?.body, { subject, returnUrl: callbackUrl, binding: 'complete' })
      await client.completeAuthorization({ request, verifier, code: 'right-code', subject })
      const completion = (await scope.seen()).at(-1)
      expectEqual('completion', completion?.body, { verifier, code: 'right-code', subject })
      const { status } = await client.waitForAuthorization({ request, verifier })
      expectEqual('status', status, 'active')
    },
  },
  {
    name: 'completes nothing with a wrong code, and does not repeat it',
    async run(environment) {
      const scope = openScope(environment)
      const completion = { request: 'crq_1', verifier: 'verifier-1', code: 'wrong-code', subject }
      const error = await expectRefusal(scope.client().completeAuthorization(completion), 'forbidden')
      expectEqual('secrets in the message', /wrong-code|verifier-1/.test(error.message), false)
      expectEqual('tries', (await scope.seen()).length, 1)
    },
  },
  {
    name: 'starts an installation',
    async run(environment) {
      const started = await openScope(environment).client().startInstallation(connector, { tenantId: 'T1' })
      expectEqual('request', started.request, 'crq_1')
    },
  },
  {
    name: 'believes a webhook that the issuing point attests, once',
    async run(environment) {
      const scope = openScope(environment)
      const authorization = await scope.attest(active, destination)
      const verified = await verifyWebhook(webhook(authorization, active), { ...who, url: scope.url })
      expectEqual(
        'status',
        [verified.request, verified.status, verified.rawBody],
        ['crq_1', 'active', active],
      )
      const again = verifyWebhook(webhook(authorization, active), { ...who, url: scope.url })
      expectText('repeated', (await expectRefusal(again, 'identity_invalid')).message, 'seen before')
    },
  },
  {
    name: 'does not believe a webhook with another body, project, key or without attestation',
    async run(environment) {
      const scope = openScope(environment)
      const authorization = await scope.attest(active, destination)
      const forged = `${authorization.slice(0, -8)}AAAAAAAA`
      const denied = active.replace('active', 'denied')
      const cases: readonly (readonly [string, Request, string])[] = [
        ['another body', webhook(authorization, denied), 'shop'],
        ['another project', webhook(authorization, active), 'other'],
        ['signature', webhook(forged, active), 'shop'],
        ['none', new Request(destination, { method: 'POST', body: active }), 'shop'],
      ]
      for (const [reason, request, project] of cases) {
        const verification = verifyWebhook(request, { ...who, project, url: scope.url })
        expectText(reason, (await expectRefusal(verification, 'identity_invalid')).message, reason)
      }
    },
  },
]

function webhook(authorization: string, body: string): Request {
  return new Request(destination, { method: 'POST', headers: { authorization }, body })
}
