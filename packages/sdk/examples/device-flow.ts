import { completeAuthorization, startAuthorization, waitForAuthorization } from '@valetkey/sdk'

/** Connects Linear from a terminal: `ask` prints a question and returns what is typed. */
export async function connectLinear(
  userId: string,
  ask: (question: string) => Promise<string>,
): Promise<void> {
  const subject = { type: 'user', id: userId } as const
  const { url, deviceCode, request, verifier } = await startAuthorization(
    'linear/mybot',
    { subject },
    { deviceCode: true },
  )
  const completing = ask(`Open ${url} (code ${deviceCode}), then type what it shows: `).then((code) =>
    completeAuthorization({ request, verifier, code, subject }),
  )
  // Ends the wait for an answer, too, when consent is denied or expires.
  await Promise.all([completing, waitForAuthorization({ request, verifier })])
}
