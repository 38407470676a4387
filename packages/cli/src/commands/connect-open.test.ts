import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { platform } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { createFakeFetch, runCommand, temporaryFolder } from '../testing/shell.ts'
import { browserCommand, pageAddress } from './connect-open.ts'

const environment = { VALETKEY_URL: 'https://keys.example.com', VALETKEY_ACCESS_TOKEN: 'vk_operator_secret' }
const at = (clientUrl: string | undefined) =>
  createFakeFetch({
    'GET /v1/connect/connectors/github%2Fmybot': { id: 'scl_1', uid: 'github/mybot', clientUrl },
  })
const page = 'https://github.com/apps/mybot'
const argv = ['connect', 'open', 'github/mybot']

/** A folder with an `xdg-open` that writes down what it was given. */
function browserFolder(): string {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'xdg-open'), '#!/bin/sh\nprintf "%s\\n" "$#" "$@" > "$(dirname "$0")/opened"\n')
  chmodSync(join(folder, 'xdg-open'), 0o700)
  return folder
}

describe('connect open', () => {
  it('prints the page, and with --json { url }', async () => {
    const human = await runCommand(argv, { environment, fetch: at(page).fetch })
    expect(human).toEqual({ code: 0, stdout: `${page}\n`, stderr: '' })
    const json = await runCommand([...argv, '--json'], { environment, fetch: at(page).fetch })
    expect(json).toEqual({ code: 0, stdout: `{"url":"${page}"}\n`, stderr: '' })
  })

  it.runIf(platform() === 'linux')('opens it on a terminal with a screen, as one argument', async () => {
    const folder = browserFolder()
    const parts = { environment: { ...environment, PATH: `${folder}:/usr/bin:/bin`, DISPLAY: ':0' }, folder }
    const hostile = "https://github.com/apps/a;touch x?$(touch%20y)&'z'"
    await runCommand([...argv, '--json'], { ...parts, fetch: at(hostile).fetch, terminal: true })
    await runCommand(argv, { ...parts, fetch: at(hostile).fetch })
    expect(existsSync(join(folder, 'opened'))).toBe(false)
    const { code } = await runCommand(argv, { ...parts, fetch: at(hostile).fetch, terminal: true })
    expect(code).toBe(0)
    await vi.waitFor(() => {
      const [count, url] = readFileSync(join(folder, 'opened'), 'utf8').split('\n')
      expect([count, url]).toEqual(['1', new URL(hostile).href])
    })
  })

  it.runIf(platform() === 'linux')('does not fail where there is no browser', async () => {
    const parts = { environment: { ...environment, PATH: '/nowhere', DISPLAY: ':0' }, terminal: true }
    const { code, stdout } = await runCommand(argv, { ...parts, fetch: at(page).fetch })
    expect([code, stdout]).toEqual([0, `${page}\n`])
  })

  it('says so when no page is known, or it is not one to open', async () => {
    const none = await runCommand([...argv, '--json'], { environment, fetch: at(undefined).fetch })
    expect([none.code, JSON.parse(none.stdout).error.code]).toEqual([1, 'not_found'])
    const hostile = await runCommand([...argv, '--json'], {
      environment,
      fetch: at('file:///etc/passwd').fetch,
    })
    expect([hostile.code, JSON.parse(hostile.stdout).error.code]).toEqual([1, 'invalid_response'])
    expect(hostile.stdout).not.toContain('passwd')
  })
})

describe('an address to open', () => {
  it.each(['https://github.com/apps/mybot', 'http://127.0.0.1:4000/apps/x', 'http://localhost:3000/'])(
    'may be %s',
    (address) => {
      expect(pageAddress(address)).toBe(address)
    },
  )

  it.each([
    'http://github.com/apps/mybot',
    'http://localhost.evil.example/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'ms-settings:x',
    'https://user:secret@github.com/',
    '-help',
    '',
  ])('may not be %j', (address) => {
    expect(pageAddress(address)).toBeUndefined()
  })

  it('is opened by a program of each system, on Linux only where there is a screen', () => {
    expect(browserCommand('darwin', {})).toEqual(['open'])
    expect(browserCommand('win32', {})).toEqual(['rundll32', 'url.dll,FileProtocolHandler'])
    expect(browserCommand('linux', { WAYLAND_DISPLAY: 'wayland-0' })).toEqual(['xdg-open'])
    expect(browserCommand('linux', { DISPLAY: '' })).toBeUndefined()
  })
})
