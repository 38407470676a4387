import { spawn } from 'node:child_process'
import { platform } from 'node:os'
import type { Command } from 'commander'
import { isLoopback } from '../broker-client/address.ts'
import { namedConnector } from '../broker-client/answers.ts'
import { route } from '../broker-client/client.ts'
import { type Act, type Context, connectToBroker } from '../context.ts'
import { failed } from '../failure.ts'
import type { Shell } from '../shell.ts'
import { examples } from './examples.ts'

/** Adds `connect open`. */
export function addOpen(connect: Command, act: Act): void {
  connect
    .command('open <connector>')
    .description("Print the provider's page for a connector, and on a terminal open it in the browser.")
    .addHelpText('after', examples('valetkey connect open github/mybot'))
    .action(act(open))
}

async function open(context: Context, uid: string): Promise<void> {
  const { shell, output } = context
  const { client } = await connectToBroker(context)
  const found = await client.call('GET', route`/v1/connect/connectors/${uid}`, namedConnector)
  if (typeof found.clientUrl !== 'string')
    throw failed('not_found', `No page of the provider is known for ${found.uid}`)
  const url = pageAddress(found.clientUrl)
  if (url === undefined)
    throw failed('invalid_response', `The address of the page of ${found.uid} is not one to open: https only`)
  output.result({ url }, () => url)
  if (!output.json && shell.stdout.isTTY === true) await openInBrowser(shell, url)
}

/**
 * The address as a browser takes it; undefined when it is not one to hand to a program: it comes from a server, and
 * `file:`, `javascript:` or a program's own scheme would do more than show a page.
 */
export function pageAddress(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return undefined
  const shown = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))
  return shown ? url.href : undefined
}

/** The program that opens an address, without a shell; undefined where there is no screen to open it on. */
export function browserCommand(
  system: string,
  environment: Shell['environment'],
): readonly [string, ...string[]] | undefined {
  if (system === 'darwin') return ['open']
  if (system === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  // Without a screen xdg-open may start a browser in this very terminal.
  const screen = (environment.DISPLAY ?? '') !== '' || (environment.WAYLAND_DISPLAY ?? '') !== ''
  return screen ? ['xdg-open'] : undefined
}

/** The address has been printed: a browser that does not open is no failure. */
function openInBrowser(shell: Shell, url: string): Promise<void> {
  const command = browserCommand(platform(), shell.environment)
  if (command === undefined) return Promise.resolve()
  const [program, ...args] = command
  return new Promise((resolve) => {
    const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true, env: shell.environment })
    child.once('error', () => resolve())
    child.once('spawn', () => {
      child.unref()
      resolve()
    })
  })
}
