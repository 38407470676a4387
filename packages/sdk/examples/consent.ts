import { completeAuthorization, startAuthorization } from '@valetkey/sdk'

/** What your session keeps on the server, for the person who is signed in. */
interface Session {
  readonly userId: string
  readonly verifiers: Map<string, string>
}

/** The route behind a "Connect Linear" button. */
export async function connectLinear(session: Session): Promise<Response> {
  const { url, request, verifier } = await startAuthorization(
    'linear/mybot',
    { subject: { type: 'user', id: session.userId } },
    { callbackUrl: 'https://app.example/connected' },
  )
  session.verifiers.set(request, verifier)
  return Response.redirect(url, 303)
}

/** The route at `callbackUrl`: verifier and subject come from the session, and only the code from the address. */
export async function connected(address: URL, session: Session): Promise<Response> {
  const request = address.searchParams.get('request') ?? ''
  const code = address.searchParams.get('code')
  const verifier = session.verifiers.get(request)
  if (verifier === undefined) return new Response('Not started in this session', { status: 400 })
  if (code === null) return new Response('Not connected', { status: 403 })
  await completeAuthorization({ request, verifier, code, subject: { type: 'user', id: session.userId } })
  session.verifiers.delete(request)
  return Response.redirect('https://app.example/', 303)
}
