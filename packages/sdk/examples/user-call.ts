import { getToken, UserAuthorizationRequiredError } from '@valetkey/sdk'

export async function calendarToken(
  session: { userId: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    // The id comes from the session: nobody else checks whom the token is for.
    const subject = { type: 'user', id: session.userId } as const
    return await getToken(
      'google/calendar',
      { subject, scopes: ['calendar.readonly'] },
      { signal, timeoutMs: 5000 },
    )
  } catch (error) {
    if (error instanceof UserAuthorizationRequiredError) return undefined
    throw error
  }
}
