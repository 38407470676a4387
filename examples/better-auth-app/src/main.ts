// An app that signs people in with Better Auth, and then acts for them: on this machine alone.
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
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
import { startGoogle } from './google.ts'
import { createPerson } from './person.ts'

const folder = await mkdtemp(join(tmpdir(), 'valetkey-better-auth-'))
const stops: (() => Promise<void>)[] = []
try {
  const google = await startGoogle()
  stops.unshift(google.close)
  const broker = await startBroker(folder)
  stops.unshift(broker.stop)
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const redirectUri = `${origin}/api/auth/callback/google`

  step('An operator registers Google', 'The client secret goes into the broker, once, and stays there.')
  const { id, uid } = await createConnector(folder, 'google', 'login', google.connector)
  await google.register(`${broker.url}/v1/connect/callback/${id}`)
  seen(`connect create google --name login → ${uid}`)

  step('The app is attached', 'With where its people come back to, and the most it may do for them.')
  await valetkey(folder, 'project', 'create', 'app')
  const attach = ['connect', 'attach', uid, '--project', 'app', '-e', 'development', '--subjects', 'user']
  const calendar = 'https://www.googleapis.com/auth/calendar.readonly'
  await valetkey(folder, ...attach, '--redirect-uri', redirectUri, '--scopes', calendar)
  await valetkey(folder, 'env', 'pull', '--project', 'app', '--environment', 'development')
  seen(`${uid} → app (development), back to ${redirectUri}, at most ${calendar}`)

  const variables = {
    PORT: String(port),
    APP_SECRET: randomBytes(32).toString('base64url'),
    GOOGLE_API_URL: google.url,
  }
  stops.unshift((await runApp(folder, new URL('./app.ts', import.meta.url), variables)).stop)
  const [ann, bob] = [createPerson(origin, redirectUri), createPerson(origin, redirectUri)]
  const nobody = await ann.get('/calendar')
  expect(nobody.status === 401, `without signing in, the app answered ${nobody.status}`)

  step('Ann and Bob sign in', 'App → broker’s consent page → Google → back. Signing in was the consent.')
  await ann.signIn('ann@example.com')
  await bob.signIn('bob@example.com')

  step('The app reads their calendars', 'With a token for each, asked for when it is needed.')
  for (const [name, person] of [
    ['ann', ann],
    ['bob', bob],
  ] as const) {
    const { status, body } = await person.get('/calendar')
    seen(`${name}: ${status} ${JSON.stringify(body)}`)
    const expected = JSON.stringify({ user: `${name}@example.com`, events: [`Lunch of ${name}`] })
    expect(JSON.stringify(body) === expected, `${name} got another answer`)
  }

  step('What the app keeps', 'Accounts without a token: a stolen database opens nothing at Google.')
  const identity = /VALETKEY_ID_TOKEN="?([^"\n]+)/.exec(
    await readFile(join(folder, '.env.local'), 'utf8'),
  )?.[1]
  const database = new DatabaseSync(join(folder, 'app.sqlite'), { readOnly: true })
  const tables = ['user', 'account', 'session', 'verification']
  const rows = tables.flatMap((table) => database.prepare(`select * from "${table}"`).all())
  for (const { providerId, accountId, accessToken, refreshToken, idToken } of rows.filter(
    (row) => row.accountId,
  ))
    seen(JSON.stringify({ providerId, accountId, accessToken, refreshToken, idToken }))
  database.close()
  const stored = JSON.stringify(rows)
  expect(stored.includes('ann@example.com'), 'the database does not know ann')
  for (const secret of ['a-secret-of-the-operator', identity ?? 'eyJ', 'eyJ'])
    expect(!stored.includes(secret), 'the database holds a secret')

  step(
    'The operator takes the app’s access away',
    'Nobody signs in there any more, and no new token is made. No secret has to be changed.',
  )
  await valetkey(folder, 'connect', 'detach', uid, '--project', 'app', '--yes')
  const refused = await createPerson(origin, redirectUri)
    .signIn('ann@example.com')
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
