// An app that signs people in with Auth.js, and then acts for them: on this machine alone.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode } from '@auth/core/jwt'
import {
  createConnector,
  expect,
  freePort,
  runApp,
  seen,
  startBroker,
  step,
  valetkey,
} from '@valetkey/example-support'
import { startLinear } from './linear.ts'
import { createPerson } from './person.ts'

const folder = await mkdtemp(join(tmpdir(), 'valetkey-authjs-'))
const stops: (() => Promise<void>)[] = []
try {
  const linear = await startLinear()
  stops.unshift(linear.close)
  const broker = await startBroker(folder)
  stops.unshift(broker.stop)
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const redirectUri = `${origin}/auth/callback/linear`

  step('An operator registers Linear', 'The client secret goes into the broker, once, and stays there.')
  const { id, uid } = await createConnector(folder, 'linear', 'login', linear.connector)
  await linear.register(`${broker.url}/v1/connect/callback/${id}`)
  seen(`connect create linear --name login → ${uid}`)

  step('The app is attached', 'With where its people come back to, and the most it may do for them.')
  await valetkey(folder, 'project', 'create', 'app')
  const attach = ['connect', 'attach', uid, '--project', 'app', '-e', 'development', '--subjects', 'user']
  await valetkey(folder, ...attach, '--redirect-uri', redirectUri, '--scopes', 'read')
  await valetkey(folder, 'env', 'pull', '--project', 'app', '--environment', 'development')
  seen(`${uid} → app (development), back to ${redirectUri}, at most read`)

  const secret = randomBytes(32).toString('base64url')
  const variables = { PORT: String(port), APP_SECRET: secret, LINEAR_API_URL: linear.url }
  stops.unshift((await runApp(folder, new URL('./app.ts', import.meta.url), variables)).stop)
  const [ann, bob] = [createPerson(origin, redirectUri), createPerson(origin, redirectUri)]
  const nobody = await ann.get('/issues')
  expect(nobody.status === 401, `without signing in, the app answered ${nobody.status}`)

  step('Ann and Bob sign in', 'App → broker’s consent page → Linear → back. Signing in was the consent.')
  await ann.signIn('ann')
  await bob.signIn('bob')

  step('The app lists their issues', 'With a token for each, asked for when it is needed.')
  for (const [name, person] of [
    ['ann', ann],
    ['bob', bob],
  ] as const) {
    const { status, body } = await person.get('/issues')
    seen(`${name}: ${status} ${JSON.stringify(body)}`)
    const expected = JSON.stringify({ user: name, issues: [`What ${name} has to do`] })
    expect(JSON.stringify(body) === expected, `${name} got another answer`)
  }

  step(
    'What a session holds',
    'Who it is, and no token. No address either: Linear does not say that it is proven.',
  )
  const cookie = 'authjs.session-token'
  const session = await decode({ token: ann.cookies.get(cookie) ?? '', secret, salt: cookie })
  seen(JSON.stringify(session))
  expect(session?.name === 'ann', 'the session does not know ann')
  expect(!session.email, 'the session has an address that nobody has proven')
  expect(!/token/.test(JSON.stringify(session)), 'the session holds a token')

  step(
    'The operator takes the app’s access away',
    'Nobody signs in there any more, and no new token is made. No secret has to be changed.',
  )
  await valetkey(folder, 'connect', 'detach', uid, '--project', 'app', '--yes')
  const refused = await createPerson(origin, redirectUri)
    .signIn('ann')
    .then(
      () => 'signed in',
      (error: Error) => error.message,
    )
  seen(`signing in: ${refused}`)
  expect(refused !== 'signed in', 'a detached app signed somebody in')

  console.log('\nDone.')
} finally {
  for (const stop of stops) await stop()
  await rm(folder, { recursive: true, force: true })
}
