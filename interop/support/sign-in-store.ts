import type { DatabaseSync } from 'node:sqlite'
import type { Adapter, AdapterAccount, AdapterSession, AdapterUser } from '@auth/core/adapters'

/** Every row of every table. */
export function dumpOf(database: DatabaseSync): string {
  const tables = database.prepare("select name from sqlite_master where type = 'table'").all()
  return tables
    .map(({ name }) => `${name} ${JSON.stringify(database.prepare(`select * from "${name}"`).all())}`)
    .join('\n')
}

/** Users, accounts and sessions of Auth.js in SQLite: each as it was handed over, so that nothing is left out here. */
export function createStore(database: DatabaseSync): Adapter {
  database.exec('create table entries (kind text, id text, value text, primary key (kind, id))')
  const put = (kind: string, id: string, value: object): void => {
    database.prepare('insert or replace into entries values (?, ?, ?)').run(kind, id, JSON.stringify(value))
  }
  const all = <Value>(kind: string): Value[] =>
    database
      .prepare('select value from entries where kind = ?')
      .all(kind)
      .map(({ value }) =>
        JSON.parse(String(value), (key, text) => (key === 'expires' ? new Date(text) : text)),
      )
  const users = () => all<AdapterUser>('user')
  const sessions = () => all<AdapterSession>('session')
  const userById = (id: string) => users().find((user) => user.id === id) ?? null
  return {
    createUser(user) {
      put('user', user.id, user)
      return user
    },
    getUser: userById,
    getUserByEmail: (email) => users().find((user) => user.email === email) ?? null,
    getUserByAccount({ provider, providerAccountId }) {
      const account = all<AdapterAccount>('account').find(
        (one) => one.provider === provider && one.providerAccountId === providerAccountId,
      )
      return account === undefined ? null : userById(account.userId)
    },
    updateUser(changes) {
      const user = { ...userById(changes.id), ...changes } as AdapterUser
      put('user', user.id, user)
      return user
    },
    linkAccount(account) {
      put('account', `${account.provider} ${account.providerAccountId}`, account)
    },
    createSession(session) {
      put('session', session.sessionToken, session)
      return session
    },
    getSessionAndUser(token) {
      const session = sessions().find(({ sessionToken }) => sessionToken === token)
      const user = session && userById(session.userId)
      return session && user ? { session, user } : null
    },
    updateSession(changes) {
      const session = sessions().find(({ sessionToken }) => sessionToken === changes.sessionToken)
      if (session !== undefined) put('session', session.sessionToken, { ...session, ...changes })
      return session
    },
    deleteSession(token) {
      database.prepare("delete from entries where kind = 'session' and id = ?").run(token)
    },
  }
}

/** The gateway's name for the user to whom a session belongs. */
export function subOf(database: DatabaseSync, userId: string): string | undefined {
  return database
    .prepare("select value from entries where kind = 'account'")
    .all()
    .map(({ value }) => JSON.parse(String(value)) as AdapterAccount)
    .find((account) => account.userId === userId)?.providerAccountId
}
