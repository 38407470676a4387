import { completeAuthorization, startAuthorization, waitForAuthorization } from '@valetkey/sdk'

/** Connects Linear from a terminal: `ask` prints a question and returns what is typed. */
export async function connectLinear(
  userId: string,
  ask: (question: string) => Promise<string>,
): Promise<void> {
  const subject = { type: 'user', id: userId } as const
  const { url, verificationUri, deviceCode, request, verifier } = await startAuthorization(
    'linear/mybot',
    { subject },
    { deviceCode: true },
  )
  // Two ways to the same page: `url` needs no code, `verificationUri` is short enough to be typed on another device.
  const completing = ask(
    `Open ${url}, or type ${deviceCode} at ${verificationUri}. Then type the code shown at the end: `,
  ).then((code) => completeAuthorization({ request, verifier, code, subject }))
  // Ends the wait for an answer, too, when consent is denied or expires.
  await Promise.all([completing, waitForAuthorization({ request, verifier })])
}
