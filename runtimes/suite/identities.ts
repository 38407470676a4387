import { getToken } from '@valetkey/sdk'
import type { Check, Environment } from './environment.ts'
import { openScope } from './environment.ts'
import { expectEqual, expectRefusal, expectText } from './expect.ts'
import type { Ability } from './protocol.ts'

const connector = 'weather/mybot'
const params = { subject: { type: 'app' } } as const
const commandName = 'VALETKEY_ID_TOKEN_COMMAND'
const fileName = 'VALETKEY_ID_TOKEN_FILE'

/** What the environment shows. Variables belong to the whole process: one after the other. */
export const identityChecks: readonly Check[] = [
  {
    name: 'lists every source and why it declined when there is no identity',
    async run(environment) {
      const scope = openScope(environment)
      const { message } = await expectRefusal(
        scope.client({}).getToken(connector, params),
        'identity_unavailable',
      )
      const names = ['VALETKEY_ID_TOKEN', fileName, commandName, 'VALETKEY_ACCESS_TOKEN']
      expectText('reasons', message, ...names.map((name) => `${name} is not set`), 'identityToken')
      expectEqual('asked', (await scope.seen()).length, 0)
    },
  },
  {
    name: 'says that no issuing point is named',
    run: async () => void (await expectRefusal(getToken(connector, params), 'issuing_point_missing')),
  },
  {
    name: 'takes issuing point and identity from the environment',
    needs: 'variables',
    run: (environment) =>
      withVariables(environment, { VALETKEY_ID_TOKEN: 'of-variable' }, async (ask) => {
        expectEqual('sent', await ask(), 'Bearer of-variable')
      }),
  },
  {
    name: 'reads an identity from a file where it may, or says that it could not',
    needs: 'variables',
    run: (environment) =>
      withVariables(environment, { [fileName]: environment.settings.tokenFile }, async (ask) => {
        if (has(environment, 'files')) expectEqual('sent', await ask(), 'Bearer of-file')
        else expectText('reason', (await expectRefusal(ask(), 'identity_unavailable')).message, fileName)
      }),
  },
  {
    name: 'runs a command for an identity where it may, or says that it could not',
    needs: 'variables',
    run: (environment) =>
      withVariables(environment, { [commandName]: environment.settings.tokenCommand }, async (ask) => {
        if (has(environment, 'commands')) expectEqual('sent', await ask(), 'Bearer of-command')
        else expectText('reason', (await expectRefusal(ask(), 'identity_unavailable')).message, commandName)
      }),
  },
]

function has({ settings }: Environment, ability: Ability): boolean {
  return settings.abilities.includes(ability)
}

/** Sets variables for as long as `use` runs; its `ask` resolves with the `Authorization` that was sent. */
async function withVariables(
  environment: Environment,
  variables: Readonly<Record<string, string>>,
  use: (ask: () => Promise<string | undefined>) => Promise<void>,
): Promise<void> {
  const scope = openScope(environment)
  const set = { ...variables, VALETKEY_URL: scope.url }
  Object.assign(process.env, set)
  try {
    await use(async () => {
      await getToken(connector, params)
      return (await scope.seen()).at(-1)?.authorization
    })
  } finally {
    for (const name of Object.keys(set)) delete process.env[name]
  }
}
